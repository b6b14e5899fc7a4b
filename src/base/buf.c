/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/utf8.h"
#include "base/alloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf)
{
    *buf = BUF_EMPTY;
}

void buf_finish(struct buf *buf)
{
    free(buf->bytes);
    buf_init(buf);
}

void buf_clear(struct buf *buf)
{
    buf->length = 0;
    if (buf->bytes != NULL) {
        buf->bytes[0] = '\0';
    }
}

void buf_grow(struct buf *buf, size_t capacity_min)
{
    size_t capacity = buf->capacity != 0 ? buf->capacity : 128;

    while (capacity < capacity_min) {
        capacity *= 2;
    }
    buf->bytes = alloc_grow(buf->bytes, capacity);
    buf->capacity = capacity;
}

size_t buf_format_u64(uint64_t value, char ret_digits[static U64_DIGITS_MAX])
{
    size_t length = 1;

    for (uint64_t limit = 10; length < U64_DIGITS_MAX && value >= limit; limit *= 10) {
        length++;
    }
    for (size_t at = length; at != 0; value /= 10) {
        ret_digits[--at] = (char)('0' + value % 10);
    }
    return length;
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    buf_reserve(buf, U64_DIGITS_MAX);
    buf->length += buf_format_u64(value, buf->bytes + buf->length);
    buf->bytes[buf->length] = '\0';
}

void buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    va_list again;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        abort();
    }
    buf_reserve(buf, (size_t)length);
    vsnprintf(buf->bytes + buf->length, (size_t)length + 1, format, again);
    buf->length += (size_t)length;
    va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void buf_put_printable(struct buf *buf, const char *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        size_t sequence = utf8_sequence_length(bytes + at, length - at);
        unsigned misleading = utf8_misleading(bytes + at, sequence);
        unsigned char lead = (unsigned char)bytes[at];

        if (misleading != 0) {
            buf_printf(buf, "\\u%04x", misleading);
        } else if (sequence == 0 || lead < 0x20 || lead == 0x7f) {
            buf_putc(buf, '?');
        } else {
            buf_append(buf, bytes + at, sequence);
        }
        at += sequence != 0 ? sequence : 1;
    }
}

static void put_json_escape(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        buf_puts(buf, "\\\"");
        break;
    case '\\':
        buf_puts(buf, "\\\\");
        break;
    case '\n':
        buf_puts(buf, "\\n");
        break;
    case '\t':
        buf_puts(buf, "\\t");
        break;
    case '\r':
        buf_puts(buf, "\\r");
        break;
    default:
        buf_printf(buf, "\\u%04x", c);
    }
}

/*
 * Counts the leading bytes that JSON needs no escape for, which are nearly all. "<" is escaped, so
 * that JSON is safe inside a script element.
 */
static size_t count_plain(const char *bytes, size_t length)
{
    static const bool is_plain[256] = {
        [' ' ... '!'] = true, ['#' ... ';'] = true, ['=' ... '['] = true, [']' ... '~'] = true};
    size_t count = 0;

    while (count < length && is_plain[(unsigned char)bytes[count]]) {
        count++;
    }
    return count;
}

/* appends one UTF-8 sequence that may need an escape, or U+FFFD for a byte that is not UTF-8 */
static size_t put_json_sequence(struct buf *buf, const char *bytes, size_t length)
{
    size_t sequence = utf8_sequence_length(bytes, length);
    unsigned misleading = utf8_misleading(bytes, sequence);

    if (sequence == 0) {
        buf_puts(buf, "\\ufffd");
        return 1;
    }
    if (sequence == 1) {
        put_json_escape(buf, (unsigned char)bytes[0]);
    } else if (misleading != 0) {
        buf_printf(buf, "\\u%04x", misleading);
    } else {
        buf_append(buf, bytes, sequence);
    }
    return sequence;
}

void buf_put_json(struct buf *buf, const char *bytes, size_t length)
{
    size_t at = 0;

    buf_putc(buf, '"');
    while (at < length) {
        size_t plain = count_plain(bytes + at, length - at);

        buf_append(buf, bytes + at, plain);
        at += plain;
        if (at < length) {
            at += put_json_sequence(buf, bytes + at, length - at);
        }
    }
    buf_putc(buf, '"');
}

void buf_put_xml(struct buf *buf, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];

        switch (c) {
        case '&':
            buf_puts(buf, "&amp;");
            break;
        case '<':
            buf_puts(buf, "&lt;");
            break;
        case '>':
            buf_puts(buf, "&gt;");
            break;
        case '"':
            buf_puts(buf, "&quot;");
            break;
        case '\'':
            buf_puts(buf, "&#39;");
            break;
        default:
            if (c == 0xc2 || c == 0xe2) {
                size_t sequence = utf8_sequence_length(bytes + i, length - i);
                unsigned misleading = utf8_misleading(bytes + i, sequence);

                if (misleading != 0) {
                    buf_printf(buf, "\\u%04x", misleading);
                    i += sequence - 1;
                    break;
                }
            }
            if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') {
                buf_putc(buf, (char)c);
            }
        }
    }
}

char *buf_steal(struct buf *buf)
{
    char *bytes;

    buf_reserve(buf, 0);
    buf->bytes[buf->length] = '\0';
    bytes = buf->bytes;
    buf_init(buf);
    return bytes;
}
