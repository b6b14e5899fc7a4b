/* SPDX-License-Identifier: MIT */
/**
 * ledger: the numbers under which a site's batches are sent. The store keeps the last number and
 * answer per epoch, so that a batch sent twice is applied once.
 */
#ifndef VISITCOUNTD_COUNT_LEDGER_H
#define VISITCOUNTD_COUNT_LEDGER_H

#include "store/store.h"

#include <stdint.h>

struct ledger {
    char epoch[STORE_EPOCH_LENGTH + 1]; /* 128 random bits: nobody else has the same */
    uint64_t acknowledged;              /* sequence of the last batch that the store answered */
};

/** Begins an epoch of its own, in which no batch was sent yet. */
void ledger_begin(struct ledger *ledger);

/** The sequence number of the batch that is sent next, or again. */
static inline uint64_t ledger_next(const struct ledger *ledger)
{
    return ledger->acknowledged + 1;
}

/** Notes that the store answered the batch of ledger_next(). */
static inline void ledger_acknowledge(struct ledger *ledger)
{
    ledger->acknowledged++;
}

#endif
