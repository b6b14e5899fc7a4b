/* SPDX-License-Identifier: MIT */
/**
 * style: how a number looks. It is parsed from the parameters of a request:
 *
 *   label        text beside the number; empty: no label
 *   color        colour behind the number; labelColor: behind the label; see colour_parse()
 *   style        the name of a row in badge_styles.def
 *   format       the name of a row in number_forms.def
 *   digits       1 to 20: pads the number with zeros
 */
#ifndef VISITCOUNTD_HTTP_STYLE_H
#define VISITCOUNTD_HTTP_STYLE_H

#include "http/render/badge.h"
#include "http/render/number.h"
#include "http/render/render.h"
#include "http/request/request.h"

struct style {
    struct badge badge; /* without its message; the label is in the pool, NULL without one */
    struct number_style number;
};

/**
 * Parses the parameters in `query`. Returns NULL, or a message about the first invalid parameter.
 * Fills `ret_style` in both cases: missing and invalid parameters get defaults. Strings and
 * the message are allocated from `pool`.
 */
const char *style_parse(h2o_mem_pool_t *pool, h2o_iovec_t query, struct style *ret_style);

/** Appends the number: "12,345", "~12,345" for an estimate, an en dash if it is unknown. */
void style_put_count(struct buf *out, const struct style *style, const struct render_count *count);

#endif
