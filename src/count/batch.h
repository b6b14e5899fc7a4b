/* SPDX-License-Identifier: MIT */
/**
 * batch: visits of one site, hour and day that travel to the store together.
 *
 * A batch is open until it is sent: visits may join and leave. When it is sent it is sealed,
 * because content that may have been applied must not change. It may be reopened when the store
 * says that it was certainly not applied.
 *
 * The batch owns its copies of page names. The visits in it belong to their owners.
 */
#ifndef VISITCOUNTD_COUNT_BATCH_H
#define VISITCOUNTD_COUNT_BATCH_H

#include "base/list.h"
#include "base/map.h"
#include "count/visit.h"
#include "count/known_visitors.h"
#include "journal/sealed_batch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Pages in one batch. Limits how long the store is busy with one batch. */
#define BATCH_PAGES_MAX 500

/** Tokens in one batch. A script of Redis can pass on more in one call. */
#define BATCH_TOKENS_MAX 1000

/** Visitors in one batch, for the same reason. */
#define BATCH_VISITORS_MAX 1000

/**
 * A command of Redis has at most 3,900 arguments (redis_command.h). These are the most that a batch
 * needs. A page needs its name and its number, and four more if it has visitors. A token needs
 * three if it is a stamp in a bucket of its own. The batch as a whole needs a few.
 */
#define BATCH_ARGUMENTS_MAX     3900
#define BATCH_ARGUMENTS_ALWAYS  50
#define BATCH_ARGUMENTS_PAGE    6
#define BATCH_ARGUMENTS_TOKEN   3
#define BATCH_ARGUMENTS_VISITOR 1

struct spill_record;

struct batch {
    struct list link;   /* for the owner */
    uint64_t second;    /* of the first visit, since 1970-01-01T00:00:00Z */
    uint64_t day;       /* since 1970, in the site's time zone */
    uint64_t pages_max; /* limit of pages, from the latest visit */
    bool is_sealed;     /* sent, and not known to be refused */
    bool is_doubtful;   /* never reopened: the store may have it, or its number is in the journal */
    bool may_be_applied; /* at least once the store did not say whether it applied it */
    unsigned attempts;   /* how often it was sent */
    struct list pages;   /* in the order of arrival */
    struct map by_name;
    const struct known_visitors *known; /* visitors already in the store; the owner's, or NULL */
    struct batch_page *latest; /* a cache: most visits are of the same page as the visit before */
    size_t token_count;        /* visits with a token */
    size_t visitor_count;      /* visits whose visitor is sent to the store */
    struct sealed_batch *sealed_batch; /* the content that was sent; NULL while open */
    struct spill_record *spill_record; /* the owner's link to its record in the journal, or NULL */
    uint64_t *token_positions; /* per token its visit's position in its page; NULL while open */
};

/** Creates an empty, open batch for visits of the hour of `second` and of the local day `day`. */
struct batch *batch_create(uint64_t second, uint64_t day);

/** Frees the batch, which must have no visits left. NULL is allowed. */
void batch_destroy(struct batch *batch);

/**
 * Whether a visit of `second` and `day` may join: the batch is open, was never sent, is of the same
 * hour and day, and has room for one more page, token and visitor.
 */
bool batch_takes(const struct batch *batch, uint64_t second, uint64_t day);

/**
 * Adds a visit of `page`, which is copied. Sets visit->visitor to 0 if the store already has the
 * visitor.
 */
void batch_add(struct batch *batch, const char *page, size_t page_length, struct visit *visit);

/** Whether there is nothing to send. */
bool batch_is_empty(const struct batch *batch);

/**
 * Seals the batch and counts one more attempt. Returns its content with one entry per page. The
 * batch owns the content until batch_detach_sealed_batch().
 */
struct sealed_batch *batch_seal(struct batch *batch);

/** Passes the content of a sealed batch to the caller, who then owns it. */
struct sealed_batch *batch_detach_sealed_batch(struct batch *batch);

/**
 * Reopens a batch that the store certainly did not apply. Keeps only visits that still wait. Visits
 * already answered as unknown are dropped, because their clients may have retried them on another
 * instance.
 */
void batch_reopen(struct batch *batch);

/**
 * Moves each visit of a sealed batch to the end of `answered` and sets its answer: its number, the
 * page's total for a duplicate, or a refusal because the site has too many pages.
 */
void batch_answer(struct batch *batch, const struct store_applied *applied, struct list *answered);

/** Creates a sealed batch of `sealed_batch`, which it takes over. It has no visits. */
struct batch *batch_restore(struct sealed_batch *sealed_batch);

/** Whether the batch has visits that wait for an answer. */
bool batch_has_visits(const struct batch *batch);

/** Whether the batch has a visit whose deadline is not after `now_ms`. */
bool batch_is_overdue(const struct batch *batch, uint64_t now_ms);

/**
 * Takes all visits out of a sealed batch and passes each to `on_visit` with the index of its entry.
 * The content does not change.
 */
void batch_release(struct batch *batch,
                   void (*on_visit)(void *data, struct visit *visit, size_t entry), void *data);

/**
 * Moves the visits whose deadline is not after `now_ms` to the end of `expired`. An open batch no
 * longer contains them. A sealed batch still counts them.
 */
void batch_expire(struct batch *batch, uint64_t now_ms, struct list *expired);

#endif
