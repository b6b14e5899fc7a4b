/* SPDX-License-Identifier: MIT */
#include "http/visit/rate.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/scratch.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* buckets per set and number of sets: 1 MiB in total */
#define WAYS 4
#define SETS 16384

#define NETWORK_BYTES 8 /* bytes of an IPv6 address that count */

struct bucket {
    uint64_t hash; /* hash of client and page; 0: free */
    struct rate_bucket rate;
};

struct rates {
    uint64_t secret[2];
    struct bucket (*sets)[WAYS]; /* NULL until the first visit */
};

struct rates *rates_create(void)
{
    struct rates *rates = calloc(1, sizeof(*rates));

    /* getrandom(2) never returns only a part of so few bytes */
    if (rates == NULL ||
        getrandom(rates->secret, sizeof(rates->secret), 0) != (ssize_t)sizeof(rates->secret)) {
        abort();
    }
    return rates;
}

void rates_destroy(struct rates *rates)
{
    if (rates != NULL) {
        free(rates->sets);
        free(rates);
    }
}

static uint64_t hash_key(const struct rates *rates, const struct rate_key *key)
{
    SCRATCH char bytes[sizeof(*key->address) + STORE_SITE_MAX + 1 + STORE_PAGE_MAX];
    size_t address_length =
        IN6_IS_ADDR_V4MAPPED(key->address) ? sizeof(*key->address) : NETWORK_BYTES;
    size_t site_length = strlen(key->site) + 1;
    char *at = bytes;

    at = mempcpy(at, key->address, address_length);
    at = mempcpy(at, key->site, site_length);
    at = mempcpy(at, key->page, key->page_length);
    return map_hash(rates->secret, bytes, (size_t)(at - bytes));
}

/** Returns the bucket of `hash`, or the bucket to evict for it. */
static struct bucket *find_bucket(struct rates *rates, uint64_t hash)
{
    struct bucket *set;
    struct bucket *oldest;

    if (rates->sets == NULL) {
        rates->sets = alloc_zero(SETS, sizeof(rates->sets[0]));
    }
    set = rates->sets[hash % SETS];
    oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }
        if (set[i].rate.full_us < oldest->rate.full_us) {
            oldest = &set[i];
        }
    }
    *oldest = (struct bucket){.hash = hash};
    return oldest;
}

/* 0 stands for a free bucket */
static uint64_t nonzero(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

uint64_t rate_bucket_take(struct rate_bucket *bucket, const struct rate *rate, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;
    uint64_t per_us = rate->per_ms * 1000;
    uint64_t full_us = bucket->full_us > now_us ? bucket->full_us : now_us;

    full_us += per_us / rate->count;
    if (full_us - now_us > per_us) {
        return (full_us - now_us - per_us + 999) / 1000;
    }
    bucket->full_us = full_us;
    return 0;
}

void rate_bucket_give_back(struct rate_bucket *bucket, const struct rate *rate)
{
    uint64_t step_us = rate->per_ms * 1000 / rate->count;

    bucket->full_us -= bucket->full_us < step_us ? bucket->full_us : step_us;
}

uint64_t rates_take_hash(struct rates *rates, const struct rate *rate, uint64_t hash,
                         uint64_t now_ms)
{
    return rate_bucket_take(&find_bucket(rates, nonzero(hash))->rate, rate, now_ms);
}

uint64_t rates_acquire(struct rates *rates, const struct rate *rate, const struct rate_key *key,
                       uint64_t now_ms)
{
    return rates_take_hash(rates, rate, hash_key(rates, key), now_ms);
}

void rates_give_back(struct rates *rates, const struct rate *rate, uint64_t hash)
{
    struct bucket *set;

    if (rates->sets == NULL) {
        return;
    }
    set = rates->sets[nonzero(hash) % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == nonzero(hash)) {
            /* the bucket may be a later one under the same hash, which was charged less */
            rate_bucket_give_back(&set[i].rate, rate);
        }
    }
}
