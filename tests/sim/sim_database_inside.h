/* SPDX-License-Identifier: MIT */
/**
 * sim_database_inside: the rows of a simulated server, shared by sim_database.c (rows and copies),
 * sim_keys.c (keys that get lost, and their repair) and sim_apply.c (the rules of apply.lua). No
 * other file includes it.
 */
#ifndef VISITCOUNTD_TESTS_SIM_DATABASE_INSIDE_H
#define VISITCOUNTD_TESTS_SIM_DATABASE_INSIDE_H

#include "sim_database.h"

#define EPOCHS_MAX 2048
#define TOKENS_MAX 4096

/** The last answer of an epoch. Copies of a database share it. It never changes. */
struct kept_answer {
    unsigned users;
    size_t entry_count;
    size_t token_count;
    uint64_t *totals;
    bool *duplicates;
};

struct ledger_row {
    char epoch[STORE_EPOCH_LENGTH + 1];
    size_t site;
    struct store_position at;
    uint64_t used_at_ms; /* on the server's clock, which is the monotonic one */
    struct kept_answer *answer;
};

/** A member of a bucket. */
struct token_row {
    uint32_t site;
    uint64_t key; /* a hash of the stored token */
    uint64_t bucket;
    uint64_t until_ms; /* on the monotonic clock; it expires then */
    enum store_window window;
};

/** The proof in one key of a site, as in proof.lua. */
struct sim_mark {
    bool is_there;
    uint64_t generation;
    uint64_t total;     /* of the site. Only the ledger has it, because hits has the total itself */
    uint64_t old_at_ms; /* only in the ledger: when a version before 0.2 wrote last; 0: never */
};

struct sim_site {
    uint64_t pages; /* in hits */
    uint64_t total; /* in hits */
    struct sim_mark hits;
    struct sim_mark ledger;
};

struct sim_database {
    size_t site_count;
    size_t ledger_count;
    size_t token_count;
    uint64_t hours[SIM_SITES_MAX][SIM_HOURS_MAX];
    struct sim_site sites[SIM_SITES_MAX];
    uint32_t totals[SIM_PAGES_MAX];
    struct ledger_row ledger[EPOCHS_MAX]; /* a copy copies only the rows in use */
    struct token_row tokens[TOKENS_MAX];
};

/** The ledger's row of an epoch; NULL when there is none. */
const struct ledger_row *sim_find_row(const struct sim_database *database, size_t site,
                                      const char *epoch);

/** Whether a version before 0.2 made the epoch. */
bool sim_is_old_epoch(const char *epoch);

/**
 * Whether the keys of a site prove each other, like examine() in proof.lua. `expects_mark` is that
 * of struct store_batch. `*ret_old_at_ms` is when a version before 0.2 last wrote, or 0.
 */
bool sim_examine(const struct sim_database *database, size_t site, bool expects_mark,
                 uint64_t *ret_old_at_ms);

/** Releases one use of an answer, and frees it after the last one. NULL is allowed. */
void sim_let_answer_go(struct kept_answer *kept);

#endif
