/* SPDX-License-Identifier: MIT */
/**
 * estimates: the totals of pages as far as this process knows them. A visit that goes to the
 * journal is answered with an estimate: the last total of the store, and the visits in the journal.
 */
#ifndef VISITCOUNTD_COUNT_ESTIMATES_H
#define VISITCOUNTD_COUNT_ESTIMATES_H

#include "base/map.h"
#include "store/store.h"

#include <stdint.h>

/** Embedded in its owner. */
struct estimates {
    struct map pages;
};

/** A page before a batch of it went to the journal. */
struct estimate_before {
    uint64_t total; /* includes visits in the journal; 0: the store has said none */
    uint64_t
        since_us; /* since when we know that the store has the page; UINT64_MAX: it is not known */
};

/** Initialise the estimates, and free them. */
void estimates_init(struct estimates *estimates);
void estimates_finish(struct estimates *estimates);

/** Records the totals that the store answered to a batch of `site`, one for each entry. */
void estimates_note_totals(struct estimates *estimates, const char *site,
                           const struct store_batch *content, const uint64_t *totals);

/**
 * Records that a batch of `site` is in the journal. `ret_before` gets its pages as they were
 * before, one for each entry. NULL is allowed.
 */
void estimates_add_pending(struct estimates *estimates, const char *site,
                           const struct store_batch *content, struct estimate_before *ret_before);

/** Records that a batch of `site`, which was added as pending, is no longer in the journal. */
void estimates_forget_pending(struct estimates *estimates, const char *site,
                              const struct store_batch *content);

#endif
