/* SPDX-License-Identifier: MIT */
/** sqlite_waiting: a call of sqlite_store with the callback that waits for its answer. */
#ifndef VISITCOUNTD_STORE_SQLITE_WAITING_H
#define VISITCOUNTD_STORE_SQLITE_WAITING_H

#include "base/list.h"
#include "base/map.h"
#include "store/sqlite/sqlite_calls.h"
#include "store/store.h"

struct waiting_call {
    struct sqlite_call sql;
    union {
        store_on_applied on_applied;
        store_on_read on_read;
        store_on_series on_series;
        store_on_pages on_pages;
        store_on_sites on_sites;
        store_on_counted on_counted;
        store_on_ledger on_ledger;
        store_on_edited on_edited;
        store_on_admitted on_admitted;
        store_on_salt on_salt;
        void (*on_version)(void *data, uint64_t version); /* not called if the version is unknown */
    };
    void *data;
    /* private to sqlite_reader.c */
    bool for_operator;
    bool is_noted; /* `node` is in its map */
    uint64_t hash; /* of the question */
    struct map_node node;
    struct list followers; /* reads that get this one's answer */
    struct list of_leader; /* of a follower */

    uint64_t numbers[]; /* memory of the answer */
};

/** Creates a call with room for `count` numbers. The caller sets its callback. */
struct waiting_call *waiting_call_create(enum sqlite_call_kind kind, size_t count, void *data);

/** Creates a call that applies `batch`. */
struct waiting_call *waiting_call_create_apply(const struct store_batch *batch, void *data);

/** Calls the callback with the call's result. */
void waiting_call_answer(struct waiting_call *call);

/** Calls the callback with the result of `leader`, which asked the same. */
void waiting_call_answer_as(struct waiting_call *call, const struct waiting_call *leader);

void waiting_call_destroy(struct waiting_call *call);

#endif
