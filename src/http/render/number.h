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

/** The forms: NUMBER_PLAIN and so on, in the order of number_forms.def. */
enum number_form {
#define FORM(id, name, put, example) NUMBER_##id,
#include "http/render/number_forms.def"
#undef FORM
    NUMBER_FORM_COUNT
};

struct number_style {
    enum number_form form;
    unsigned digits; /* padded with zeros to this many; ignored with NUMBER_COMPACT */
};

/** Parses the name of a form, such as "grouped". Returns false for anything else. */
bool number_parse_form(const char *text, size_t length, enum number_form *ret_form);

/** Returns the names of all forms, separated by ", ". */
const char *number_form_list(void);

/** Appends `value` in this style. */
void number_put(struct buf *out, uint64_t value, const struct number_style *style);

#endif
