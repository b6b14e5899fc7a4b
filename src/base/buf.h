/* SPDX-License-Identifier: MIT */
/**
 * buf: a growing byte buffer with writers for numbers, printf, JSON strings and XML text.
 *
 * A `struct buf` is embedded or on the stack. It owns its bytes until buf_finish() or buf_steal().
 * Running out of memory aborts. Callers therefore bound every size that a client chooses.
 */
#ifndef VISITCOUNTD_BASE_BUF_H
#define VISITCOUNTD_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *bytes; /* NULL until the first write, then NUL-terminated */
    size_t length;
    size_t capacity;
};

#define BUF_EMPTY ((struct buf){NULL, 0, 0})

/** Makes `buf` empty. Allocates nothing. */
void buf_init(struct buf *buf);

/** Frees the bytes. The buffer is then empty and usable again. */
void buf_finish(struct buf *buf);

/** Makes the buffer empty and keeps its memory. */
void buf_clear(struct buf *buf);

/** Grows the memory to at least `capacity_min` bytes. Only for buf_reserve(). */
void buf_grow(struct buf *buf, size_t capacity_min);

/** Makes room for `more` additional bytes and the NUL. */
static inline void buf_reserve(struct buf *buf, size_t more)
{
    size_t needed = buf->length + more + 1;

    if (needed > buf->capacity) {
        buf_grow(buf, needed);
    }
}

/** Appends `length` bytes. */
static inline void buf_append(struct buf *buf, const void *bytes, size_t length)
{
    buf_reserve(buf, length);
    if (length != 0) {
        memcpy(buf->bytes + buf->length, bytes, length);
    }
    buf->length += length;
    buf->bytes[buf->length] = '\0';
}

/** Appends a NUL-terminated string. */
static inline void buf_puts(struct buf *buf, const char *string)
{
    buf_append(buf, string, strlen(string));
}

/** Appends one byte. */
static inline void buf_putc(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

/** The most decimal digits that a uint64_t has. */
#define U64_DIGITS_MAX 20

/** Writes `value` in decimal, without NUL. Returns the number of digits. */
size_t buf_format_u64(uint64_t value, char ret_digits[static U64_DIGITS_MAX]);

/** Appends `value` in decimal. */
void buf_put_u64(struct buf *buf, uint64_t value);

/** Appends formatted text, as printf(3). */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list arguments);

/**
 * Appends `length` bytes as a JSON string with quotes (RFC 8259, section 7). Bytes that are not
 * UTF-8 become U+FFFD, so the result is always valid JSON.
 */
void buf_put_json(struct buf *buf, const char *bytes, size_t length);

/**
 * Appends `length` bytes as XML or HTML character data. The result is safe in text and in quoted
 * attributes. Escapes & < > " ' and drops the control characters that XML 1.0 forbids.
 */
void buf_put_xml(struct buf *buf, const char *bytes, size_t length);

/**
 * Appends text of others so that it can be shown on a terminal or in a log. A control character or
 * a byte that is not UTF-8 becomes "?", and a character that misleads becomes "\u202e"; see
 * utf8_misleading().
 */
void buf_put_printable(struct buf *buf, const char *bytes, size_t length);

/** Returns the NUL-terminated bytes, never NULL. The caller frees them. The buffer becomes empty.
 */
char *buf_steal(struct buf *buf);

/** Returns the first `c` between `at` and `end`, or `end` if there is none. */
static inline const char *buf_find_byte(const char *at, const char *end, char c)
{
    const char *found = memchr(at, c, (size_t)(end - at));

    return found != NULL ? found : end;
}

#endif
