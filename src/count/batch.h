/* SPDX-License-Identifier: MIT */
/**
 * batch: visits of one site, hour and day on their way to the store together.
 *
 * A batch is open while nothing but its owner has seen it: visits may join and leave. From the
 * moment it is sent it is frozen: what may have been applied must not change. When the store says
 * that it was certainly not applied, it may be thawed.
 *
 * The batch owns its copies of page names; the visits in it belong to whoever waits for them.
 */
#ifndef VISITCOUNTD_COUNT_BATCH_H
#define VISITCOUNTD_COUNT_BATCH_H

#include "base/list.h"
#include "base/map.h"
#include "count/visit.h"
#include "count/known_visitors.h"
#include "journal/parcel.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Pages in one batch: bounds the time that the store spends in one step. */
#define BATCH_PAGES_MAX 500

/** Tokens in one batch: as many as a script of Redis can pass on at once, and less. */
#define BATCH_TOKENS_MAX 1000

/** Visitors in one batch; likewise. */
#define BATCH_VISITORS_MAX 1000

/**
 * A command of Redis has at most 3,900 arguments (redis_command.h). This is what a batch takes of
 * them at most: a page its name, its number and, with visitors, four more; a token that is a stamp
 * of a bucket of its own three; and some for the batch as a whole.
 */
#define BATCH_ARGUMENTS_MAX     3900
#define BATCH_ARGUMENTS_ALWAYS  50
#define BATCH_ARGUMENTS_PAGE    6
#define BATCH_ARGUMENTS_TOKEN   3
#define BATCH_ARGUMENTS_VISITOR 1

struct shelter;

struct batch {
    struct list link;    /* the owner's */
    uint64_t second;     /* since 1970-01-01T00:00:00Z, of the first visit */
    uint64_t day;        /* since 1970, in the site's time zone */
    uint64_t pages_max;  /* as the last visit said */
    bool is_frozen;      /* sent, and not known to be refused */
    bool is_doubtful;    /* never thawed: the store may have it, or its number is in the journal */
    bool may_be_applied; /* the store did not say what became of it, at least once */
    unsigned attempts;   /* how often it was sent */
    struct list pages;   /* in the order of arrival */
    struct map by_name;
    const struct known_visitors *known; /* whom the store need not be told; the owner's, or NULL */
    struct batch_page *latest;          /* most visits are of the page of the visit before */
    size_t token_count;                 /* visits that have one */
    size_t visitor_count;               /* visits whose visitor is to be told */
    struct parcel *parcel;              /* what was sent; NULL while open */
    struct shelter *shelter;            /* the owner's: its record in the journal, or NULL */
    uint64_t *token_positions; /* of each token's visit among those of its page; NULL while open */
};

/** An empty, open batch for visits of the hour in which `second` is, and of a local day. */
struct batch *batch_create(uint64_t second, uint64_t day);

/** Frees the batch, in which no visit is left. NULL is allowed. */
void batch_destroy(struct batch *batch);

/** Whether a visit of `second` and `day` may join. */
bool batch_takes(const struct batch *batch, uint64_t second, uint64_t day);

/** Adds a visit of `page`, which is copied; a visitor that is known is left out of it. */
void batch_add(struct batch *batch, const char *page, size_t page_length, struct visit *visit);

/** Whether nothing would be sent. */
bool batch_is_empty(const struct batch *batch);

/**
 * Freezes the batch, notes one more attempt, and returns its content, one entry per page; it is the
 * batch's until batch_take_parcel().
 */
struct parcel *batch_freeze(struct batch *batch);

/** Hands the parcel of a frozen batch to the caller. */
struct parcel *batch_take_parcel(struct batch *batch);

/**
 * The store certainly did not apply the batch: opens it again, with the visits that still wait.
 * Those who were told that nobody knows are not in it: with their tokens they may have gone
 * elsewhere.
 */
void batch_thaw(struct batch *batch);

/**
 * Takes each visit out of a frozen batch and passes it on with what it is told: its number, or,
 * when its token had been seen before, the page's; or that the site has too many pages.
 */
typedef void (*batch_on_visit)(void *data, struct visit *visit, const struct visit_answer *answer);
void batch_answer(struct batch *batch, const struct store_applied *applied, batch_on_visit on_visit,
                  void *data);

/** A frozen batch of a parcel, which it takes over, that nobody waits for any more. */
struct batch *batch_restore(struct parcel *parcel);

/** Whether somebody waits for an answer. */
bool batch_has_visits(const struct batch *batch);

/** Whether somebody waits whose deadline is not after `now_ms`. */
bool batch_is_overdue(const struct batch *batch, uint64_t now_ms);

/** Takes all visits out of a frozen batch, each with the number of its entry; it stays as it is. */
void batch_release(struct batch *batch,
                   void (*on_visit)(void *data, struct visit *visit, size_t entry), void *data);

/**
 * Moves the visits whose deadline is not after `now_ms` to the end of `expired`. In an open batch
 * they are no longer part of what will be sent; in a frozen one they are, but nobody waits.
 */
void batch_expire(struct batch *batch, uint64_t now_ms, struct list *expired);

#endif
