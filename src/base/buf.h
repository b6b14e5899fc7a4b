/* SPDX-License-Identifier: MIT */
/**
 * buf: a growing byte buffer with the writers that every answer needs: printf, JSON and XML text.
 *
 * A `struct buf` is embedded or on the stack; its bytes belong to it until buf_finish() or
 * buf_steal(). Running out of memory aborts: whatever a client sizes is bounded before it gets
 * here.
 */
#ifndef VISITCOUNTD_BASE_BUF_H
#define VISITCOUNTD_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *bytes; /* NUL-terminated once anything was written; NULL before */
    size_t length;
    size_t capacity;
};

#define BUF_EMPTY ((struct buf){NULL, 0, 0})

/** Makes `buf` empty without memory of its own. */
void buf_init(struct buf *buf);

/** Frees the bytes; the buffer is empty and usable again. */
void buf_finish(struct buf *buf);

/** Forgets the content and keeps the memory. */
void buf_clear(struct buf *buf);

/** Gets memory of at least `capacity_min` bytes; for buf_reserve(). */
void buf_grow(struct buf *buf, size_t capacity_min);

/** Makes room for `more` further bytes (and the NUL). */
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

/** Most digits that a number has. */
#define U64_DIGITS_MAX 20

/** Writes `value` in decimal, without NUL, and returns the number of digits. */
size_t format_u64(uint64_t value, char ret_digits[static U64_DIGITS_MAX]);

/** Appends `value` in decimal. */
void buf_put_u64(struct buf *buf, uint64_t value);

/** Appends formatted text, as printf(3). */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list arguments);

/**
 * Appends `length` bytes as a JSON string with its quotes (RFC 8259, section 7). Bytes that are not
 * UTF-8 become U+FFFD, so that the result is always valid JSON.
 */
void buf_put_json(struct buf *buf, const char *bytes, size_t length);

/**
 * Appends `length` bytes as XML or HTML character data that is safe in text and in quoted
 * attributes: & < > " ' are escaped, control characters that XML 1.0 forbids are dropped.
 */
void buf_put_xml(struct buf *buf, const char *bytes, size_t length);

/** Hands the NUL-terminated bytes to the caller, who frees them; never NULL. The buffer is empty.
 */
char *buf_steal(struct buf *buf);

/** Where `c` is found first from `at` on; `end` where it is not. */
static inline const char *find_byte(const char *at, const char *end, char c)
{
    const char *found = memchr(at, c, (size_t)(end - at));

    return found != NULL ? found : end;
}

/**
 * Length of the valid UTF-8 sequence at `bytes` (1-4), or 0 when there is none: overlong forms,
 * surrogates and values above U+10FFFF are not valid (RFC 3629, section 3).
 */
size_t utf8_sequence_length(const char *bytes, size_t length);

/** How many columns of a terminal valid UTF-8 takes, each character being taken for one. */
size_t utf8_width(const char *bytes, size_t length);

#endif
