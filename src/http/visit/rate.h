/* SPDX-License-Identifier: MIT */
/**
 * rate: limits how often one client visits one page. Each pair of client and page has a token
 * bucket. The buckets use the generic cell rate algorithm (ITU-T I.371), which stores one number
 * per bucket.
 *
 * The buckets are in a table of fixed size, indexed by a keyed hash of client and page. No address
 * is kept. If there is no room, the bucket that would be full soonest is evicted. Thus a flood
 * weakens the limits, but it never blocks a visitor who has done nothing.
 */
#ifndef VISITCOUNTD_HTTP_RATE_H
#define VISITCOUNTD_HTTP_RATE_H

#include "base/units.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct rates;

/**
 * A client and a page. An IPv6 address counts by its first 64 bits, the network of one subscriber.
 */
struct rate_key {
    const struct in6_addr *address;
    const char *site; /* NUL-terminated, STORE_SITE_MAX */
    const char *page; /* STORE_PAGE_MAX */
    size_t page_length;
};

/** One bucket that its owner embeds. All zeros: full. */
struct rate_bucket {
    uint64_t full_us; /* when it is full again */
};

/** As rates_take_hash(), for an embedded bucket. */
uint64_t rate_bucket_take(struct rate_bucket *bucket, const struct rate *rate, uint64_t now_ms);

/** Puts back what rate_bucket_take() took. */
void rate_bucket_give_back(struct rate_bucket *bucket, const struct rate *rate);

struct rates *rates_create(void);

/** NULL is allowed. */
void rates_destroy(struct rates *rates);

/**
 * Takes a visit out of the bucket and returns 0. If the bucket is empty, it takes nothing and
 * returns the time in ms until a visit is allowed.
 */
uint64_t rates_acquire(struct rates *rates, const struct rate *rate, const struct rate_key *key,
                       uint64_t now_ms);

/**
 * Like rates_acquire(), for a bucket that the caller identifies by a hash. The hash depends on a
 * secret, so clients cannot provoke collisions.
 */
uint64_t rates_take_hash(struct rates *rates, const struct rate *rate, uint64_t hash,
                         uint64_t now_ms);

/** Puts back what rates_take_hash() took. Changes nothing if the bucket was evicted meanwhile. */
void rates_give_back(struct rates *rates, const struct rate *rate, uint64_t hash);

#endif
