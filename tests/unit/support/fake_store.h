/* SPDX-License-Identifier: MIT */
/**
 * fake_store: a store in memory that keeps the contract of store.h and fails only on command; for
 * tests of what stands above a store.
 *
 * It is an instance's way to a database, which several of them may share. Each call stays open
 * until the test decides its fate. It aborts, with a line that says why, when its user breaks the
 * contract: changes what it passed to an open call, sends a page twice in a batch, more tokens than
 * hits, a batch that is empty or too long, or a second one of an epoch before the first is
 * answered.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_STORE_H
#define VISITCOUNTD_TESTS_FAKE_STORE_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_database;

/** What becomes of a call. */
enum fake_fate {
    FAKE_DONE,         /* executed, and answered as the ledger says: OK, duplicate, gap, outdated */
    FAKE_REFUSED,      /* not executed, for the site's sake, and the caller is told so */
    FAKE_REPLY_LOST,   /* executed, but the caller hears only that nobody knows */
    FAKE_REQUEST_LOST, /* not executed, but the caller hears only that nobody knows */
    FAKE_LATE,         /* nobody knows; executed later, by fake_store_execute_late() */
    FAKE_REFUSED_ALL,  /* not executed, as for all sites now, and the caller is told so */
    FAKE_TORN          /* not executed: the keys of the site contradict each other */
};

/** An open apply, read or ledger call. */
struct fake_call {
    struct list link;
    enum fake_kind { FAKE_APPLY, FAKE_READ, FAKE_LEDGER } kind;
    struct store_batch batch; /* a copy; of a read or ledger call only what these have */
    struct store_batch theirs;
    union {
        store_on_applied on_applied;
        store_on_read on_read;
        store_on_ledger on_ledger;
    };
    void *data;
};

struct fake_store {
    struct store store;
    struct fake_database *database;
    bool available;
    struct list calls;             /* open, in the order in which they were made */
    struct list late;              /* of fate FAKE_LATE, not executed yet */
    uint64_t apply_count;          /* apply calls since the start */
    uint64_t generation;           /* of all sites: epochs of earlier ones are outdated */
    uint64_t replicated_before_ms; /* what its health says; no replica at first */
};

/** A new store, which store_destroy(&fake->store) frees. */
struct fake_store *fake_store_create(struct fake_database *database, bool available);

/** How many calls are open, and how many wait to be executed late. */
size_t fake_store_open_count(const struct fake_store *fake);
size_t fake_store_late_count(const struct fake_store *fake);

/** An open call, counted from the oldest; NULL past the last one. */
struct fake_call *fake_store_call(const struct fake_store *fake, size_t index);

/** The open apply call of `site`, or NULL. */
struct fake_call *fake_store_call_of(const struct fake_store *fake, const char *site);

/** How many hits of `page` are in a call; 0 when it has none. */
uint64_t fake_call_hits(const struct fake_call *call, const char *page);

/** Ends an open call; its callback runs inside. */
void fake_store_end(struct fake_store *fake, struct fake_call *call, enum fake_fate fate);

/** Ends all calls that are open now. */
void fake_store_end_all(struct fake_store *fake, enum fake_fate fate);

/** Executes the oldest call of fate FAKE_LATE; nobody hears of it. */
void fake_store_execute_late(struct fake_store *fake);

/** Changes `available` and tells the listener; then ends open calls when it went away. */
void fake_store_go_away(struct fake_store *fake, enum fake_fate fate);
void fake_store_come_back(struct fake_store *fake);

#endif
