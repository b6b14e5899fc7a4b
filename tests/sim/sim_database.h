/* SPDX-License-Identifier: MIT */
/**
 * sim_database: the data of a server of the store, with the rules of apply.lua. It has totals,
 * totals by hour, tokens in buckets, the ledger, and the proof by which the keys "hits" and
 * "ledger" of a site prove each other. A replica or a snapshot copies it as a whole. Each of the
 * two keys can be lost, restored and repaired.
 *
 * Each token expires on its own, as early as a store may forget it. Only clients' tokens are kept
 * in buckets, as in Redis. Sites are called "site0" …, pages "/0" …, so that rows are found by
 * number. Page N belongs to the site N modulo the number of sites.
 */
#ifndef VISITCOUNTD_TESTS_SIM_DATABASE_H
#define VISITCOUNTD_TESTS_SIM_DATABASE_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SITES_MAX 3
#define SIM_PAGES_MAX 2048
#define SIM_HOURS_MAX 30 /* hours that a run may see: see oracle_hour() */

/** How much longer than their windows tokens are kept: journal.keep_tokens by default. */
#define SIM_KEEP_TOKENS_S 600

/** The keys of a site that prove each other, and the mark in "hits" alone, as bits. */
enum sim_keys { SIM_HITS = 1, SIM_LEDGER = 2, SIM_MARK = 4 };

/** By which rules a batch is applied. */
enum sim_version {
    SIM_OLD, /* as before 0.2: without a proof */
    SIM_NEW
};

struct sim_database;

/** Creates an empty database with `sites` sites. */
struct sim_database *sim_database_create(size_t sites);

/** NULL is allowed. */
void sim_database_destroy(struct sim_database *database);

/** Makes `database` a copy of `from`. */
void sim_database_copy(struct sim_database *database, const struct sim_database *from);

/** The number of a page, and of a site. */
size_t sim_page_number(const char *page);
size_t sim_site_number(const char *site);

uint64_t sim_database_total(const struct sim_database *database, size_t page);

/** The number of clients' tokens that are kept now. */
size_t sim_database_client_tokens(const struct sim_database *database);

/** The visits of a site in an hour, which is one of oracle_hour(). */
uint64_t sim_database_hour(const struct sim_database *database, size_t site, size_t hour);

/** The last sequence of an epoch in the ledger. */
struct store_position sim_database_position(const struct sim_database *database, const char *site,
                                            const char *epoch);

/** The memory that an answer of the store points to. */
struct sim_answer {
    size_t entry_count;
    size_t token_count;
    uint64_t totals[SIM_PAGES_MAX];
    uint64_t uniques[SIM_PAGES_MAX]; /* the simulation does not know them */
    bool duplicates[SIM_PAGES_MAX];
};

/** Applies a batch if the ledger allows it. `ret_applied` points into `answer`. */
void sim_database_apply(struct sim_database *database, const struct store_batch *batch,
                        enum sim_version version, struct sim_answer *answer,
                        struct store_applied *ret_applied);

/**
 * Whether the store refuses a batch because its site is torn or was repaired. A question for the
 * ledger is a batch with only site and epoch set.
 */
bool sim_database_refuses(const struct sim_database *database, const struct store_batch *batch,
                          struct store_applied *ret_applied);

/**
 * Whether a batch would be applied now. A server that refuses writes still answers a batch that
 * writes nothing.
 */
bool sim_database_would_write(const struct sim_database *database, const struct store_batch *batch);

/** The generation of an epoch, and that of a site. */
uint64_t sim_epoch_generation(const char *epoch);
uint64_t sim_database_generation(const struct sim_database *database, size_t site);

/** Removes keys of a site, as an eviction or a DEL does. */
void sim_database_lose(struct sim_database *database, size_t site, unsigned keys);

/** Restores keys of a site from `from`. Both keys together restore the site as a whole. */
void sim_database_restore(struct sim_database *database, size_t site, unsigned keys,
                          const struct sim_database *from);

/** Whether the proofs in the keys of a site differ from those in `from`. */
bool sim_database_differs(const struct sim_database *database, size_t site,
                          const struct sim_database *from);

bool sim_database_has_pages(const struct sim_database *database, size_t site);

/** Whether a site has pages, but no sign of the version that counted them. */
bool sim_database_lacks_marks(const struct sim_database *database, size_t site);

/** Whether the keys of a site contradict each other for an instance that has counted on it. */
bool sim_database_is_torn(const struct sim_database *database, size_t site);

/** Begins a new generation of a site with its present hits, as `visitcountctl repair` does. */
void sim_database_repair(struct sim_database *database, size_t site);

#endif
