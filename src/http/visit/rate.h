/* SPDX-License-Identifier: MIT */
/**
 * rate: how often one client visits one page: a token bucket for each, as the generic cell rate
 * algorithm, which needs one number a bucket (ITU-T I.371).
 *
 * The buckets are in a table of fixed size, which a keyed hash of client and page leads into; no
 * address is kept. When it is full, the bucket that would be full the soonest gives way, so that a
 * flood makes limits weaker, and never hits a visitor who has done nothing.
 */
#ifndef VISITCOUNTD_HTTP_RATE_H
#define VISITCOUNTD_HTTP_RATE_H

#include "base/units.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct rates;

/** Who visits what. IPv6 addresses count by their first 64 bits, which one subscriber has. */
struct rate_key {
    const struct in6_addr *address;
    const char *site; /* NUL-terminated, STORE_SITE_MAX */
    const char *page; /* STORE_PAGE_MAX */
    size_t page_length;
};

struct rates *rates_create(void);

/** NULL is allowed. */
void rates_destroy(struct rates *rates);

/** Takes a visit out of the bucket: 0, or, taking none, in how many ms there will be one. */
uint64_t rates_take(struct rates *rates, const struct rate *rate, const struct rate_key *key,
                    uint64_t now_ms);

#endif
