/* SPDX-License-Identifier: MIT */
/**
 * sim_database: what a server of the store keeps, with the rules of apply.lua: totals, totals by
 * hour, tokens in buckets and the ledger. It can be copied as a whole, as a replica or a snapshot.
 *
 * Tokens expire, each on its own, which is the least that stores do. Sites are "site0" …, pages
 * "/0" …, so that rows are found by number; a page belongs to one site.
 */
#ifndef VISITCOUNTD_TESTS_SIM_DATABASE_H
#define VISITCOUNTD_TESTS_SIM_DATABASE_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SITES_MAX 3
#define SIM_PAGES_MAX 2048
#define SIM_HOURS_MAX 8 /* that a run may see, from SIM_FIRST_HOUR on */

/** How much longer than their windows tokens are kept: journal.keep_tokens by default. */
#define SIM_KEEP_TOKENS_S 600

/** The wall clock of a run begins some hours later, and is set back by one at most. */
#define SIM_FIRST_HOUR UINT64_C(499997)

struct sim_database;

struct sim_database *sim_database_create(void);

/** NULL is allowed. */
void sim_database_destroy(struct sim_database *database);

/** Makes `database` what `from` is. */
void sim_database_copy(struct sim_database *database, const struct sim_database *from);

/** The number of a page, and of a site. */
size_t sim_page_number(const char *page);
size_t sim_site_number(const char *site);

uint64_t sim_database_total(const struct sim_database *database, size_t page);

/** The visits of a site in an hour, by its number from SIM_FIRST_HOUR. */
uint64_t sim_database_hour(const struct sim_database *database, size_t site, size_t hour);

/** Where the ledger of an epoch is. */
struct store_position sim_database_position(const struct sim_database *database, const char *site,
                                            const char *epoch);

/** What the store answers points to. */
struct sim_answer {
    size_t entry_count;
    size_t token_count;
    uint64_t totals[SIM_PAGES_MAX];
    uint64_t uniques[SIM_PAGES_MAX]; /* of none it is known */
    bool repeated[SIM_PAGES_MAX];
};

/** Applies a batch as the ledger says; what `ret_applied` points to is in `answer`. */
void sim_database_apply(struct sim_database *database, const struct store_batch *batch,
                        struct sim_answer *answer, struct store_applied *ret_applied);

#endif
