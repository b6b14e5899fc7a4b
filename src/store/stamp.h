/* SPDX-License-Identifier: MIT */
/**
 * stamp: a token that says when its request came: milliseconds since 1970 by the proxy that made
 * it, and 64 bits by which it differs from others of that time. Since all attempts have the same
 * stamp, it is looked for among those of its time alone, whatever the instances' clocks say.
 *
 * Two requests of the same four milliseconds (see redis_tokens.c) have the same 64 bits with a
 * probability of 2^-64: at 100,000 visits a second one is taken for another in 29,000 years. What
 * is kept of the 64 bits depends on the page as well, see token_key.h.
 */
#ifndef VISITCOUNTD_STORE_STAMP_H
#define VISITCOUNTD_STORE_STAMP_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

struct stamp {
    uint64_t ms;
    uint64_t id;
};

/** How long it is as a token: both numbers, the first byte being the highest. */
#define STAMP_LENGTH 16

/** Where in it the id is, which goes to its end. */
#define STAMP_ID_AT     sizeof(uint64_t)
#define STAMP_ID_LENGTH (STAMP_LENGTH - STAMP_ID_AT)

/** Writes a stamp as a token. */
static inline void stamp_write(struct stamp stamp, char ret_bytes[static STAMP_LENGTH])
{
    uint64_t numbers[2] = {htobe64(stamp.ms), htobe64(stamp.id)};

    memcpy(ret_bytes, numbers, STAMP_LENGTH);
}

/** Reads a token of STAMP_LENGTH bytes. */
static inline struct stamp stamp_read(const char *bytes)
{
    uint64_t numbers[2];

    memcpy(numbers, bytes, STAMP_LENGTH);
    return (struct stamp){be64toh(numbers[0]), be64toh(numbers[1])};
}

#endif
