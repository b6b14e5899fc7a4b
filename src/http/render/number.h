/* SPDX-License-Identifier: MIT */
/**
 * number: formats a count.
 */
#ifndef VISITCOUNTD_HTTP_NUMBER_H
#define VISITCOUNTD_HTTP_NUMBER_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The most digits that a number can be padded to. */
#define NUMBER_DIGITS_MAX 20

enum number_form {
    NUMBER_PLAIN,   /* 12345 */
    NUMBER_GROUPED, /* 12,345 */
    NUMBER_COMPACT  /* 12.3k, 1.2M, 999G: cut and not rounded, so never above the count */
};

struct number_style {
    enum number_form form;
    unsigned digits; /* padded with zeros to this many; ignored with NUMBER_COMPACT */
};

/** Parses "plain", "grouped" or "compact". Returns false for anything else. */
bool number_parse_form(const char *text, size_t length, enum number_form *ret_form);

/** Appends `value` in this style. */
void number_put(struct buf *out, uint64_t value, const struct number_style *style);

#endif
