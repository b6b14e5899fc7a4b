/* SPDX-License-Identifier: MIT */
/**
 * error_line: appends one line per error, also if a quoted name has newlines or control bytes.
 * Internal to config/.
 */
#ifndef VISITCOUNTD_CONFIG_ERROR_LINE_H
#define VISITCOUNTD_CONFIG_ERROR_LINE_H

#include "base/buf.h"

/** Appends a line to `errors`. Newlines and control bytes in the text become "?". */
void error_line(struct buf *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Like error_line(), with `prefix` in front. */
void error_line_v(struct buf *errors, const char *prefix, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
