/* SPDX-License-Identifier: MIT */
/**
 * fake_store: a store in memory for tests of the users of a store. It keeps the contract of store.h
 * and fails only on command.
 *
 * It is the link of one instance to a database. Several instances may share a database. Each call
 * stays open until the test decides its fate.
 *
 * It prints a reason and aborts if its user breaks the contract:
 * - changes the arguments of an open call;
 * - sends a page twice in a batch, or more tokens than hits;
 * - sends a batch that is empty or too long;
 * - sends a second batch of an epoch before the first is answered.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_STORE_H
#define VISITCOUNTD_TESTS_FAKE_STORE_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_database;

/** How a call ends. */
enum fake_fate {
    FAKE_DONE,         /* executed; the ledger decides the answer: OK, duplicate, gap, outdated */
    FAKE_REFUSED,      /* not executed; the answer is a refusal of this site */
    FAKE_REPLY_LOST,   /* executed; the answer is unknown */
    FAKE_REQUEST_LOST, /* not executed; the answer is unknown */
    FAKE_LATE,         /* the answer is unknown; fake_store_execute_late() executes it */
    FAKE_REFUSED_ALL,  /* not executed; the answer is a refusal of all sites */
    FAKE_TORN          /* not executed: the keys of the site contradict each other */
};

/** An open apply, read or ledger call. */
struct fake_call {
    struct list link;
    enum fake_kind { FAKE_APPLY, FAKE_READ, FAKE_LEDGER } kind;
    struct store_batch batch; /* a copy; a read or ledger call fills only a part */
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
    uint64_t generation;           /* of all sites; epochs of earlier generations are outdated */
    uint64_t replicated_before_ms; /* reported by its health; no replica at first */
};

/** Creates a store. store_destroy(&fake->store) frees it. */
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

/** Executes the oldest call of fate FAKE_LATE, without an answer. */
void fake_store_execute_late(struct fake_store *fake);

/** Changes `available` and notifies the listener. fake_store_go_away() then ends the open calls. */
void fake_store_go_away(struct fake_store *fake, enum fake_fate fate);
void fake_store_come_back(struct fake_store *fake);

#endif
