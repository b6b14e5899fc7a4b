/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

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

size_t format_u64(uint64_t value, char ret_digits[static U64_DIGITS_MAX])
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
    buf->length += format_u64(value, buf->bytes + buf->length);
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

size_t utf8_sequence_length(const char *bytes, size_t length)
{
    static const struct {
        unsigned char first, last; /* range of the lead byte */
        unsigned char low, high;   /* range of the byte after it */
        size_t length;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *u = (const unsigned char *)bytes;

    for (size_t i = 0; length != 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (u[0] < rows[i].first || u[0] > rows[i].last) {
            continue;
        }
        if (rows[i].length > length) {
            return 0;
        }
        if (rows[i].length > 1 && (u[1] < rows[i].low || u[1] > rows[i].high)) {
            return 0;
        }
        for (size_t k = 2; k < rows[i].length; k++) {
            if ((u[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return rows[i].length;
    }
    return 0;
}

unsigned utf8_misleading(const char *bytes, size_t sequence)
{
    const unsigned char *u = (const unsigned char *)bytes;
    unsigned code;

    if (sequence == 2 && u[0] == 0xc2 && u[1] < 0xa0) {
        return u[1];
    }
    if (sequence != 3 || u[0] != 0xe2) {
        return 0;
    }
    code = 0x2000 | (unsigned)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ? code : 0;
}

size_t utf8_width(const char *bytes, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length; i++) {
        width += ((unsigned char)bytes[i] & 0xc0) != 0x80; /* no continuation */
    }
    return width;
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
