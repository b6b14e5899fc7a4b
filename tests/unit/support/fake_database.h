/* SPDX-License-Identifier: MIT */
/**
 * fake_database: what a server of the store would keep, in memory: totals, tokens in buckets,
 * visitors and a ledger, with the rules of apply.lua; only nothing expires.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_DATABASE_H
#define VISITCOUNTD_TESTS_FAKE_DATABASE_H

#include "count/batch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct fake_database;

struct fake_database *fake_database_create(void);

/** Frees the database, after the stores that use it. NULL is allowed. */
void fake_database_destroy(struct fake_database *database);

/** The total of a page, 0 when it was never visited. */
uint64_t fake_database_total(const struct fake_database *database, const char *site,
                             const char *page);

/** The visits of all sites. */
uint64_t fake_database_visits(const struct fake_database *database);

/** How many visitors a page has on a day. */
uint64_t fake_database_uniques(const struct fake_database *database, const char *site,
                               const char *page, uint64_t day);

/** Changes a total, as another instance or an operator would. */
void fake_database_set(struct fake_database *database, const char *site, const char *page,
                       uint64_t total);

/** Reads the totals of a batch's pages. */
void fake_database_read(const struct fake_database *database, const struct store_batch *batch,
                        uint64_t *ret_totals);

/** What an answer points to. */
struct fake_answer {
    uint64_t totals[BATCH_PAGES_MAX];
    uint64_t uniques[BATCH_PAGES_MAX];
    bool duplicates[BATCH_TOKENS_MAX];
};

/** Applies a batch, and fills `answer`, to which what is returned points. */
struct store_applied fake_database_apply(struct fake_database *database,
                                         const struct store_batch *batch,
                                         struct fake_answer *answer);

/** Where the ledger of an epoch is; zeros when there is none. */
struct store_position fake_database_position(const struct fake_database *database, const char *site,
                                             const char *epoch);

/** A copy of all that it keeps, for fake_database_restore(). */
struct fake_database *fake_database_copy(const struct fake_database *database);

/** Goes back in time to `copy`, which stays the caller's. */
void fake_database_restore(struct fake_database *database, const struct fake_database *copy);

#endif
