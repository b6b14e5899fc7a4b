/* SPDX-License-Identifier: MIT */
/**
 * appearance: how a number is to look, from the parameters of a request:
 *
 *   label        text beside the number; empty: none
 *   color        colour behind the number, labelColor behind the label; see colour_parse()
 *   style        flat, flat-square, plastic, for-the-badge
 *   format       plain, grouped, compact
 *   digits       1 to 20: filled up with zeros
 */
#ifndef VISITCOUNTD_HTTP_APPEARANCE_H
#define VISITCOUNTD_HTTP_APPEARANCE_H

#include "http/render/badge.h"
#include "http/render/number.h"
#include "http/render/render.h"
#include "http/request/request.h"

struct appearance {
    struct badge badge; /* without its message; the label is in the pool, NULL without one */
    struct number_style number;
};

/**
 * Fills `ret_appearance`, what is missing or wrong with defaults. Returns NULL, or what is wrong
 * with the first wrong parameter, for people.
 */
const char *appearance_parse(h2o_mem_pool_t *pool, h2o_iovec_t query,
                             struct appearance *ret_appearance);

/** Appends the number: "12,345", "~12,345" for an estimate, an en dash where nothing is known. */
void appearance_put_count(struct buf *out, const struct appearance *appearance,
                          const struct render_count *count);

#endif
