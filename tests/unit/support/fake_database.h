/* SPDX-License-Identifier: MIT */
/**
 * fake_database: the data of a server of the store, in memory. It has totals, tokens in buckets,
 * visitors and a ledger, with the rules of apply.lua. Nothing expires.
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

/** The total of a page, or 0 if it was never visited. */
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

/** The memory that an answer points to. */
struct fake_answer {
    uint64_t totals[BATCH_PAGES_MAX];
    uint64_t uniques[BATCH_PAGES_MAX];
    bool duplicates[BATCH_TOKENS_MAX];
};

/** Applies a batch and fills `answer`. The result points into `answer`. */
struct store_applied fake_database_apply(struct fake_database *database,
                                         const struct store_batch *batch,
                                         struct fake_answer *answer);

/** The ledger of an epoch; zeros if there is none. */
struct store_position fake_database_position(const struct fake_database *database, const char *site,
                                             const char *epoch);

/** Copies the whole database, for fake_database_restore(). */
struct fake_database *fake_database_copy(const struct fake_database *database);

/** Goes back in time to `copy`. The caller still owns `copy`. */
void fake_database_restore(struct fake_database *database, const struct fake_database *copy);

#endif
