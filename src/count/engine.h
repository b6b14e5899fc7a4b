/* SPDX-License-Identifier: MIT */
/**
 * engine: turns visits into batches, and the store's answers into numbers.
 *
 * At most one batch of a lane is in flight. Visits that arrive meanwhile are gathered, and leave in
 * one batch after the answer. Batches are sent at the end of a turn of the loop: there is no timer
 * and no added delay. The store answers each page's total. The engine hands out total-n+1 … total
 * in the order of arrival.
 *
 * A batch that was certainly not applied is sent again without the visits that timed out meanwhile.
 * Those visits are answered as refused. A batch that may have been applied is sent again unchanged,
 * under its number, until the store confirms it. If the site was repaired, such a batch is given
 * up: see outdated.h.
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

/** Creates an engine on `loop` and `store`. Both must outlive it. */
struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options);

/** Answers all visits that wait, and frees the engine. NULL is allowed. */
void engine_destroy(struct engine *engine);

/**
 * engine_use_journal() gives the engine a journal. Call it before the first visit. NULL takes the
 * journal away; call it before the journal is closed. engine_restore() takes a record that an
 * earlier run left. It is the callback of journal_open() and returns the record's entry.
 */
void engine_use_journal(struct engine *engine, struct journal *journal);
struct journal_entry *engine_restore(void *engine, struct journal_record *record);

/** Whether visits would go to the journal now if the store took none. */
bool engine_can_journal(const struct engine *engine);

/** The journal's status. NULL without a journal. */
const struct journal_status *engine_journal_status(const struct engine *engine);

/** Replaces the options. */
void engine_configure(struct engine *engine, const struct engine_options *options);

/**
 * Counts a visit of `page` (at most STORE_PAGE_MAX bytes) on `site` (NUL-terminated, at most
 * STORE_SITE_MAX). Both are copied. The caller has set the fields of `visit` above the engine's.
 *
 * Returns 0; then on_answer is called later, never from inside this call. On error the visit is
 * certainly not counted, and on_answer is never called:
 * -EHOSTDOWN: for longer than max_wait_ms the store has been away, or has refused all sites or this
 * one; or the site's keys contradict each other.
 * -ENOBUFS: max_waiting visits wait, or the site has used up its share of them.
 * -ENOSPC: the visit would go to the journal, which is full.
 * -ESHUTDOWN: engine_stop() was called.
 */
int engine_visit(struct engine *engine, const char *site, const char *page, size_t page_length,
                 struct visit *visit);

/** Adds a visit that was refused before it reached the engine to the statistics. */
void engine_note_refused(struct engine *engine);

/**
 * Forgets which visitors the store has. Call it after a page was deleted: its visitors are gone
 * too.
 */
void engine_forget_visitors(struct engine *engine);

/** Memory of the batches that are kept for a resend, in bytes. */
uint64_t engine_retained_bytes(const struct engine *engine);

/** Stops admission. Visits that wait are still answered. */
void engine_stop(struct engine *engine);

/** Whether a lane has to check the store's ledger, or to resend batches that the store lost. */
bool engine_is_resending(const struct engine *engine);

/**
 * Returns true if a reachable store rejects the batches of a site. `ret_stall` then describes the
 * site that has stalled for longest.
 */
bool engine_longest_stall(const struct engine *engine, struct engine_stall *ret_stall);

/**
 * engine_torn_count() returns how many sites have keys that contradict each other.
 * engine_list_torn() calls `on_site` with the name of each, before it returns.
 */
uint64_t engine_torn_count(const struct engine *engine);
void engine_list_torn(const struct engine *engine, void (*on_site)(void *data, const char *site),
                      void *data);

/**
 * Whether a visit of `site` can be counted or journaled now. False if the store is away or refused
 * this site or all sites in the last seconds, and the visit cannot go to the journal. NULL asks for
 * a site that does not fail by itself.
 */
bool engine_serves(const struct engine *engine, const char *site);

/** Whether the store has acknowledged a batch of `site` to this process. */
bool engine_has_counted(const struct engine *engine, const char *site);

/**
 * Fills in the visits of a site that an operator has to judge. All are 0 if the site is not known.
 */
void engine_doubts(const struct engine *engine, const char *site, struct engine_doubts *ret_doubts);

/**
 * Records that the site was repaired and is of `generation` now. Other instances find out from the
 * store.
 */
void engine_note_repair(struct engine *engine, const char *site, uint64_t generation);

/**
 * Calls `on_site` for each site to which a version before 0.2 may still write. The keys of such a
 * site prove nothing yet.
 */
void engine_list_unproven(const struct engine *engine,
                          void (*on_site)(void *data, const char *site), void *data);

/**
 * Whether the process could end without loss: no visit waits, no batch has to be resent, and each
 * batch that the store lacks is in the journal.
 */
bool engine_is_idle(const struct engine *engine);

/**
 * Ends a drain: stops admission and answers all waiting visits as refused or unknown. Batches that
 * were never sent are dropped.
 */
void engine_abandon(struct engine *engine);

/** The engine's statistics, valid as long as the engine. */
const struct stats *engine_stats(const struct engine *engine);

#endif
