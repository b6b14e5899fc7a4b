/* SPDX-License-Identifier: MIT */
#include "config/error_line.h"

void error_line_v(struct buf *errors, const char *prefix, const char *format, va_list arguments)
{
    size_t start = errors->length;

    buf_puts(errors, prefix);
    buf_vprintf(errors, format, arguments);
    for (char *at = errors->bytes + start; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
    buf_putc(errors, '\n');
}

void error_line(struct buf *errors, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error_line_v(errors, "", format, arguments);
    va_end(arguments);
}
