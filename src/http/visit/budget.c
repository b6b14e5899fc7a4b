/* SPDX-License-Identifier: MIT */
#include "http/visit/budget.h"

#include "base/map.h"

#define DAY_MS UINT64_C(86400000)

/* A bucket of a network: the short or the long term. */
enum term { TERM_BURST, TERM_DAY, TERMS };

static struct rate rate_of(const struct budget_charge *charge, size_t network, enum term term)
{
    struct rate rate = term == TERM_BURST
                           ? charge->limits.burst
                           : (struct rate){.count = charge->limits.daily_max, .per_ms = DAY_MS};

    if (network != 0) {
        rate.count *= NETWORK_WIDE_FACTOR;
    }
    return rate;
}

static uint64_t bucket_of(const struct budget_charge *charge, size_t network, enum term term)
{
    uint64_t key[] = {charge->networks.hashes[network], charge->part,
                      (uint64_t)charge->kind * TERMS + term};

    return map_hash_key((const char *)key, sizeof(key));
}

/* gives back the first `count` buckets, in the order of budget_take() */
static void give_back(struct rates *rates, const struct budget_charge *charge, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum term term = (enum term)(i % TERMS);
        struct rate rate = rate_of(charge, i / TERMS, term);

        if (rate.count != 0) {
            rates_give_back(rates, &rate, bucket_of(charge, i / TERMS, term));
        }
    }
}

uint64_t budget_take(struct rates *rates, struct budget_charge *charge, uint64_t now_ms)
{
    for (size_t i = 0; i < charge->networks.count * TERMS; i++) {
        enum term term = (enum term)(i % TERMS);
        struct rate rate = rate_of(charge, i / TERMS, term);
        uint64_t wait_ms =
            rate.count != 0
                ? rates_take_hash(rates, &rate, bucket_of(charge, i / TERMS, term), now_ms)
                : 0;

        if (wait_ms != 0) {
            give_back(rates, charge, i);
            charge->networks.count = 0;
            return wait_ms;
        }
    }
    return 0;
}

void budget_give_back(struct rates *rates, struct budget_charge *charge)
{
    give_back(rates, charge, charge->networks.count * TERMS);
    charge->networks.count = 0;
}
