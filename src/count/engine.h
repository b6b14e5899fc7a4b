/* SPDX-License-Identifier: MIT */
/**
 * engine: turns visits into batches and batches into numbers.
 *
 * Per site at most one batch is in flight. Visits that arrive meanwhile are gathered, and leave in
 * one batch at the end of the turn in which the way is free: no timer, no added delay. The store
 * answers each page's total, and the engine hands out total-n+1 … total in the order of arrival.
 *
 * A batch that was certainly not applied is sent again, without the visits whose patience ended in
 * the meantime: these are answered as refused. A batch that may have been applied is sent again
 * unchanged under its number until the store says what became of it.
 *
 * The caller owns a `struct visit` and keeps it until on_answer() was called.
 */
#ifndef VISITCOUNTD_COUNT_ENGINE_H
#define VISITCOUNTD_COUNT_ENGINE_H

#include "base/list.h"
#include "count/engine_types.h"
#include "count/stats.h"
#include "count/visit.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct journal;
struct journal_entry;
struct journal_record;
struct journal_status;

/** A new engine on `loop` and `store`; both outlive it. */
struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options);

/** Answers whatever still waits and frees the engine. NULL is allowed. */
void engine_destroy(struct engine *engine);

/**
 * Gives the engine a journal, which outlives it; before the first visit. What an earlier run left
 * in it is passed to engine_restore() while it is opened.
 */
void engine_use_journal(struct engine *engine, struct journal *journal);
struct journal_entry *engine_restore(void *engine, struct journal_record *record);

/** Whether visits would go to the journal now if the store took none. */
bool engine_can_journal(const struct engine *engine);

/** The journal, for status; NULL where there is none. */
const struct journal_status *engine_journal_status(const struct engine *engine);

/** Takes over changed options. */
void engine_configure(struct engine *engine, const struct engine_options *options);

/**
 * Counts a visit of `page` (NUL-terminated, at most STORE_PAGE_MAX) on `site` (STORE_SITE_MAX).
 * Both are copied. The fields of `visit` above the engine's are set; on_answer is called later,
 * never from inside this call. Returns 0, or, with the visit certainly not counted and on_answer
 * never called: -EHOSTDOWN when the store has been away, or has refused all sites or this one, for
 * longer than max_wait_ms, or the site's keys contradict each other; -ENOBUFS when max_waiting
 * visits wait, or as many of this site as it may have; -ENOSPC when it would go to the journal,
 * which is full; -ESHUTDOWN after engine_stop().
 */
int engine_visit(struct engine *engine, const char *site, const char *page, size_t page_length,
                 struct visit *visit);

/** A visit was refused before it came here: counts it among the refused ones. */
void engine_note_refused(struct engine *engine);

/** Tells the store of all visitors again: a page, with its visitors, is no longer what it was. */
void engine_forget_visitors(struct engine *engine);

/** Memory in which acknowledged visits are kept, to be sent again to a store that lost them. */
uint64_t engine_retained_bytes(const struct engine *engine);

/** Takes no more visits; those that wait are still answered. */
void engine_stop(struct engine *engine);

/** Whether the store lacks, or may lack, what it had: that is asked, or sent again, now. */
bool engine_is_healing(const struct engine *engine);

/** Whether there is such a failure now. */
bool engine_failure(const struct engine *engine, struct engine_failure *ret_failure);

/** How many sites have keys that contradict each other; and passes on the name of each. */
uint64_t engine_torn_count(const struct engine *engine);
void engine_list_torn(const struct engine *engine, void (*on_site)(void *data, const char *site),
                      void *data);

/**
 * Whether a visit of `site` has a chance now to be counted or journaled: not when the store was
 * found to refuse it, or all sites, a moment ago, and it cannot go to the journal. NULL: of a site
 * that does not fail by itself.
 */
bool engine_serves(const struct engine *engine, const char *site);

/** Fills in what of a site the operator has to judge; zeros for one that is not known. */
void engine_doubts(const struct engine *engine, const char *site, struct engine_doubts *ret_doubts);

/** The site was repaired, and is of this generation now: other instances find out by themselves. */
void engine_note_repair(struct engine *engine, const char *site, uint64_t generation);

/** Calls back for each site whose keys prove nothing yet, since an older version may write. */
void engine_list_unproven(const struct engine *engine,
                          void (*on_site)(void *data, const char *site), void *data);

/** Whether no visit waits and no batch is open. */
bool engine_is_idle(const struct engine *engine);

/**
 * Answers all waiting visits now, as refused or unknown: the end of a drain. Their batches are
 * forgotten.
 */
void engine_abandon(struct engine *engine);

/** The engine's numbers; valid as long as the engine. */
const struct stats *engine_stats(const struct engine *engine);

#endif
