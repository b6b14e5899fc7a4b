/* SPDX-License-Identifier: MIT */
/**
 * stamp: a token that contains the time of its request: milliseconds since 1970 by the proxy's
 * clock, and a 64-bit id that tells stamps of the same time apart. All attempts of a request carry
 * the same stamp. So a store looks it up only among stamps of the same time, independently of the
 * instances' clocks.
 *
 * Stamps collide only within four milliseconds (see redis_tokens.c). Two such requests have the
 * same id with a probability of 2^-64. At 100,000 visits per second, one visit in 29,000 years is
 * lost to a collision. The id that a store keeps also depends on the page; see token_key.h.
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

/** The length of a stamp as a token: both numbers in big-endian order. */
#define STAMP_LENGTH 16

/** The offset of the id in the token, and its length. */
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
