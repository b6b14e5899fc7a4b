/* SPDX-License-Identifier: MIT */
/**
 * sqlite_store_inside: the store on SQLite, shared by its files. sqlite_store.c has its work and
 * its state, sqlite_operations.c its calls, and sqlite_live.c its notices to watchers.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_STORE_INSIDE_H
#define VISITCOUNTD_STORE_SQLITE_STORE_INSIDE_H

#include "base/list.h"
#include "loop/disk.h"
#include "loop/loop.h"
#include "store/sqlite/sqlite_backup.h"
#include "store/sqlite/sqlite_file.h"
#include "store/sqlite/sqlite_reader.h"
#include "store/sqlite/sqlite_waiting.h"
#include "store/store.h"
#include "store/watchlist.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * While a job is in flight, the disk thread owns `file` and `running`. Calls that arrive meanwhile
 * queue in `waiting` and share the transaction of the next job. Reads go to `reader` instead.
 */
struct sqlite_store {
    struct store store;
    struct loop *loop;
    struct disk *disk;
    struct sqlite_file *file;
    char *path;

    struct disk_job job;
    bool in_flight;
    bool opening;            /* the job in flight opens the file first */
    bool wants_to_open;      /* the next job opens the file first */
    bool sweeping;           /* the job in flight deletes expired rows */
    bool wants_to_sweep;     /* the next job does */
    bool emptying_log;       /* the job in flight empties the log, and no read runs */
    bool wants_to_empty_log; /* the next job does */
    bool is_tried;           /* the file was opened, or could not be; reads begin then */
    bool is_reader_held;     /* until the log was emptied */
    int log_pages_max;       /* the log is emptied when it is longer */
    uint64_t emptied_at_ms;  /* the last attempt */
    struct loop_timer sweep_look;
    struct list running;
    struct list waiting;
    size_t call_count; /* in `waiting` and `running` */
    struct loop_task submit;
    uint64_t submitted_at_us;

    struct loop_timer retry;
    unsigned failures; /* consecutive, without a commit between them */
    uint64_t commits;
    uint64_t logged_at_ms;
    bool is_clock_far; /* as last logged */
    struct store_health health;

    struct sqlite_backup *backup; /* running, or NULL */
    struct sqlite_reader *reader;

    struct watchlist watched;
    struct loop_timer poll;
    uint64_t version; /* of the file, at the last poll */

    struct disk_job closing;
    bool destroyed;
    sem_t closed;
};

static inline struct sqlite_store *sqlite_store_of(struct store *store)
{
    return container_of(store, struct sqlite_store, store);
}

/**
 * Adds a new call, of `count` numbers, to the next job, and returns it. The caller sets its
 * arguments and its callback.
 */
struct waiting_call *sqlite_store_add(struct store *base, enum sqlite_call_kind kind, size_t count,
                                      void *data);

/** Prepares the watching of sites; nobody watches one yet. */
void sqlite_store_init_watch(struct sqlite_store *store);

/** Tells those who watch the site of an answered call what it changed. */
void sqlite_store_tell(struct sqlite_store *store, const struct sqlite_call *call);

/* operations of the store, see store.h */
void sqlite_store_apply(struct store *base, const struct store_batch *batch,
                        store_on_applied on_applied, void *data);
void sqlite_store_read(struct store *base, const struct store_query *query, store_on_read on_read,
                       void *data);
void sqlite_store_series(struct store *base, const struct store_span *span,
                         store_on_series on_series, void *data);
void sqlite_store_top(struct store *base, const struct store_ranking *ranking,
                      store_on_pages on_pages, void *data);
void sqlite_store_scan(struct store *base, const char *site, const char *after,
                       store_on_pages on_pages, void *data);
void sqlite_store_sites(struct store *base, store_on_sites on_sites, void *data);
void sqlite_store_count(struct store *base, const char *site, store_on_counted on_counted,
                        void *data);
void sqlite_store_ledger(struct store *base, const char *site, const char *epoch,
                         store_on_ledger on_ledger, void *data);
void sqlite_store_edit(struct store *base, const struct store_edit *what, store_on_edited on_edited,
                       void *data);
void sqlite_store_admit(struct store *base, const char *site, uint64_t limit,
                        store_on_admitted on_admitted, void *data);
void sqlite_store_salt(struct store *base, uint64_t day, store_on_salt on_salt, void *data);
void sqlite_store_backup(struct store *base, store_on_backup on_backup, void *data);
void sqlite_store_cancel_backup(struct store *base, void *data);
void sqlite_store_watch(struct store *base, const char *site);
void sqlite_store_unwatch(struct store *base, const char *site);

#endif
