/* SPDX-License-Identifier: MIT */
/**
 * sim_database: what a server of the store keeps, with the rules of apply.lua: totals, totals by
 * hour, tokens in buckets, the ledger, and the proof by which the keys "hits" and "ledger" of a
 * site prove each other. It can be copied as a whole, as a replica or a snapshot; and each of the
 * two keys can be lost, restored and repaired.
 *
 * Tokens expire, each on its own, which is the least that stores do; those of clients are kept as
 * in Redis, in buckets. Sites are "site0" …, pages
 * "/0" …, so that rows are found by number. Page N belongs to the site N modulo the number of
 * sites.
 */
#ifndef VISITCOUNTD_TESTS_SIM_DATABASE_H
#define VISITCOUNTD_TESTS_SIM_DATABASE_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SITES_MAX 3
#define SIM_PAGES_MAX 2048
#define SIM_HOURS_MAX 30 /* that a run may see: see oracle_hour() */

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

/** An empty one, of so many sites. */
struct sim_database *sim_database_create(size_t sites);

/** NULL is allowed. */
void sim_database_destroy(struct sim_database *database);

/** Makes `database` what `from` is. */
void sim_database_copy(struct sim_database *database, const struct sim_database *from);

/** The number of a page, and of a site. */
size_t sim_page_number(const char *page);
size_t sim_site_number(const char *site);

uint64_t sim_database_total(const struct sim_database *database, size_t page);

/** How many tokens of clients are kept now. */
size_t sim_database_client_tokens(const struct sim_database *database);

/** The visits of a site in an hour, which is one of oracle_hour(). */
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
    bool duplicates[SIM_PAGES_MAX];
};

/** Applies a batch as the ledger says; what `ret_applied` points to is in `answer`. */
void sim_database_apply(struct sim_database *database, const struct store_batch *batch,
                        enum sim_version version, struct sim_answer *answer,
                        struct store_applied *ret_applied);

/**
 * Whether a batch, or a question for the ledger of which only site and epoch are set, is refused
 * since the site is torn or was repaired.
 */
bool sim_database_refuses(const struct sim_database *database, const struct store_batch *batch,
                          struct store_applied *ret_applied);

/** Whether a batch would be applied now: what writes nothing is answered by who takes no writes. */
bool sim_database_would_write(const struct sim_database *database, const struct store_batch *batch);

/** The generation of an epoch, and that of a site. */
uint64_t sim_epoch_generation(const char *epoch);
uint64_t sim_database_generation(const struct sim_database *database, size_t site);

/** Takes keys of a site away, as an eviction or a DEL does. */
void sim_database_lose(struct sim_database *database, size_t site, unsigned keys);

/** Makes keys of a site what they are in `from`; both of them, and the site is as it was there. */
void sim_database_restore(struct sim_database *database, size_t site, unsigned keys,
                          const struct sim_database *from);

/** Whether the proofs in the keys of a site are not those of `from`. */
bool sim_database_differs(const struct sim_database *database, size_t site,
                          const struct sim_database *from);

bool sim_database_has_pages(const struct sim_database *database, size_t site);

/** Whether a site has pages, and nothing that shows which version counted them. */
bool sim_database_lacks_marks(const struct sim_database *database, size_t site);

/** Whether the keys of a site contradict each other, to an instance that has counted on it. */
bool sim_database_is_torn(const struct sim_database *database, size_t site);

/**
 * Begins a new generation of a site with the hits that are there, as `visitcountctl repair` does.
 */
void sim_database_repair(struct sim_database *database, size_t site);

#endif
