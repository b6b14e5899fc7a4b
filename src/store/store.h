/* SPDX-License-Identifier: MIT */
/**
 * store: the contract of what keeps the numbers. Two stores fulfil it: redis_store and
 * sqlite_store; the same tests run against both.
 *
 * Every call ends in exactly one callback, in the loop, never from inside the call. What is passed
 * to a call by pointer stays with the caller and unchanged until that callback; what is passed to a
 * callback is gone when it returns. store_destroy() ends the open calls with STORE_UNKNOWN (or
 * STORE_REFUSED where it is certain) before it returns.
 */
#ifndef VISITCOUNTD_STORE_STORE_H
#define VISITCOUNTD_STORE_STORE_H

#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_outcome {
    STORE_OK,      /* applied, or read */
    STORE_REFUSED, /* certainly not applied: may be sent again with other content */
    STORE_UNKNOWN  /* may have been applied: must be sent again, unchanged, under its number */
};

/** Longest site and page, in bytes, without NUL. */
#define STORE_SITE_MAX 64
#define STORE_PAGE_MAX 512

/** Length of an epoch: 128 random bits in hexadecimal, without NUL. */
#define STORE_EPOCH_LENGTH 32

/** The visits of one page in a batch. */
struct store_entry {
    const char *page; /* NUL-terminated */
    size_t page_length;
    uint64_t hits; /* > 0 */
};

/** Longest token, in bytes. */
#define STORE_TOKEN_MAX 128

/** For how long a token is remembered at least; the two kinds are not compared with each other. */
enum store_window {
    STORE_WINDOW_ATTEMPT, /* 15 s: attempts of one request by a proxy */
    STORE_WINDOW_CLIENT   /* 1 h: a client that asks again because it got no answer */
};

/** What the two windows are, in seconds. */
#define STORE_WINDOW_ATTEMPT_S 15
#define STORE_WINDOW_CLIENT_S  3600

/**
 * One visit of an entry that may arrive again, under the same token: the store counts it once per
 * site and window.
 */
struct store_token {
    const char *bytes;
    size_t length;  /* 1 … STORE_TOKEN_MAX */
    uint32_t entry; /* index of the entry whose hits it is one of */
    enum store_window window;
};

/**
 * What is applied in one atomic step. The store remembers per site and epoch the sequence number,
 * the visits so far and the answer of the last batch. A batch whose sequence is not above that one
 * is not applied again, but answered with what was stored; a batch that does not follow it is
 * refused as a gap.
 */
struct store_batch {
    const char *site;  /* NUL-terminated */
    const char *epoch; /* NUL-terminated, STORE_EPOCH_LENGTH */
    uint64_t sequence; /* 1 for the first batch of an epoch, then one more each time */
    uint64_t follows;  /* the sequence that the store must be at: usually sequence - 1 */
    uint64_t visits;   /* in the batches of this epoch up to this one */
    uint64_t hour;     /* hours since 1970-01-01T00Z in which the visits happened */
    uint64_t second;   /* seconds since 1970 when the batch was made: the time of its tokens */
    const struct store_entry *entries;
    size_t entry_count; /* > 0; each page once */
    const struct store_token *tokens;
    size_t token_count; /* may be 0 */
};

/** Where the store's ledger is for an epoch: at its last batch; zeros when it knows none. */
struct store_position {
    uint64_t sequence;
    uint64_t visits; /* in the batches up to that one */
};

/** The end of an apply call. */
struct store_applied {
    enum store_outcome outcome;
    /**
     * STORE_OK: one per entry: the page's total after the batch. When the batch had been applied
     * before, the totals of that time. NULL otherwise.
     */
    const uint64_t *totals;
    /** STORE_OK: one per token: it had been seen before, so its visit was not counted again. */
    const bool *repeated;
    bool duplicate; /* STORE_OK: it had been applied before */
    /** STORE_OK: how many replicas have confirmed it in time, of how many that were wanted. */
    uint64_t replicas;
    uint64_t replicas_wanted; /* 0: nobody waited for replicas */
    /**
     * STORE_REFUSED: the ledger's last sequence for this epoch is not the one that the batch
     * follows: the store went back in time, to where `at` says.
     */
    bool gap;
    struct store_position at;
    const char *reason; /* unless STORE_OK: what failed and why, for the log; never NULL */
};

typedef void (*store_on_applied)(void *data, const struct store_applied *applied);

/** The end of a read call: `totals` has one number per page, 0 for a page never visited. */
struct store_read {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const uint64_t *totals;
    const char *reason;
};

typedef void (*store_on_read)(void *data, const struct store_read *read);

/** The end of a ledger call. */
struct store_ledger {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    struct store_position at;
    const char *reason;
};

typedef void (*store_on_ledger)(void *data, const struct store_ledger *ledger);

/** How the store is, for status and metrics. */
struct store_health {
    const char *backend; /* "redis", "sqlite" */
    bool available;      /* calls have a chance now */
    const char *state;   /* "ready", "connecting", …: of the link, or of the file */
    char address[ADDRESS_TEXT_MAX];
    char version[64];       /* of the server or library; empty when not known */
    char role[16];          /* "master", "replica"; empty when it has none */
    char last_error[256];   /* empty when there was none */
    uint64_t round_trip_us; /* of the last command; 0 when there was none */
    uint64_t commands;      /* sent since the start */
    uint64_t connects;      /* successful connects or opens since the start */
    uint64_t in_flight;     /* commands without an answer */
    uint64_t changed_at_ms; /* loop time of the last change of `available` */
};

struct store;

/** What a store implements; each as the function of the same name below. */
struct store_operations {
    void (*apply)(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data);
    void (*read)(struct store *store, const char *site, const struct store_entry *pages,
                 size_t page_count, store_on_read on_read, void *data);
    void (*ledger)(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data);
    void (*health)(struct store *store, struct store_health *ret_health);
    void (*destroy)(struct store *store);
};

/** The part that all stores have in common; embedded as the first member. */
struct store {
    const struct store_operations *operations;
    void (*on_change)(void *data, bool available);
    void *on_change_data;
};

/** Applies a batch. */
static inline void store_apply(struct store *store, const struct store_batch *batch,
                               store_on_applied on_applied, void *data)
{
    store->operations->apply(store, batch, on_applied, data);
}

/** Reads the totals of pages (only their names are looked at). */
static inline void store_read(struct store *store, const char *site,
                              const struct store_entry *pages, size_t page_count,
                              store_on_read on_read, void *data)
{
    store->operations->read(store, site, pages, page_count, on_read, data);
}

/** Reads the ledger entry of an epoch. */
static inline void store_ledger(struct store *store, const char *site, const char *epoch,
                                store_on_ledger on_ledger, void *data)
{
    store->operations->ledger(store, site, epoch, on_ledger, data);
}

/** Fills `ret_health`; asks nobody. */
static inline void store_health(struct store *store, struct store_health *ret_health)
{
    store->operations->health(store, ret_health);
}

/** Sets who is told when `available` changes; called in the loop. One listener. */
static inline void store_listen(struct store *store, void (*on_change)(void *data, bool available),
                                void *data)
{
    store->on_change = on_change;
    store->on_change_data = data;
}

/** Ends all calls and frees the store; NULL is allowed. */
static inline void store_destroy(struct store *store)
{
    if (store != NULL) {
        store->operations->destroy(store);
    }
}

/** For stores: tells the listener, if there is one. */
static inline void store_notify(struct store *store, bool available)
{
    if (store->on_change != NULL) {
        store->on_change(store->on_change_data, available);
    }
}

#endif
