/* SPDX-License-Identifier: MIT */
/**
 * spill: the way of visits while the store takes none. They go to the journal, and are answered
 * with an estimate when they are on the disk. When the store is back, the journal is replayed
 * through the ledger, beside new visits.
 *
 * Without a journal all of it does nothing.
 */
#ifndef VISITCOUNTD_COUNT_SPILL_H
#define VISITCOUNTD_COUNT_SPILL_H

#include "count/breaker.h"
#include "count/engine_types.h"
#include "count/estimates.h"
#include "count/lane.h"
#include "count/stats.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The way to the journal. Embedded in the engine. */
struct spill {
    struct journal *journal; /* NULL without a journal */
    const struct engine_options *options;
    const struct breaker *breaker;
    struct stats *stats;
    struct estimates estimates;
};

/** Initialises the struct, without a journal, and ends it. The other parts must outlive it. */
void spill_init(struct spill *spill, const struct engine_options *options,
                const struct breaker *breaker, struct stats *stats);
void spill_finish(struct spill *spill);

/** Gives the spill a journal, which must outlive it or be taken away with NULL. */
void spill_use_journal(struct spill *spill, struct journal *journal);

/** Whether there is a journal, and whether it has room for another visit. */
static inline bool spill_has_journal(const struct spill *spill)
{
    return spill->journal != NULL;
}

static inline bool spill_has_room(const struct spill *spill)
{
    return spill->journal != NULL && journal_has_room(spill->journal);
}

/** The journal's status. NULL without a journal. */
static inline const struct journal_status *spill_journal_status(const struct spill *spill)
{
    return spill->journal != NULL ? journal_status(spill->journal) : NULL;
}

/** Whether visits go to the journal because the store is away for longer than a short restart. */
bool spill_has_begun(const struct spill *spill, uint64_t now_ms);

/**
 * Sends the site's waiting visits to the journal. Call it when the store is away or a visit has
 * timed out.
 */
void spill_waiting_visits(struct spill *spill, struct site *site);

/** Sends the next batch of the backlog to the journal, unless one is being written. */
void spill_write_next(struct spill *spill, struct site *site);

/** Whether the first batch of a backlog is on the disk, or there is none. */
__attribute__((noinline)) bool spill_is_first_written(const struct lane *lane);

/**
 * Whether the first batch of the lane may be sent. A batch of the backlog has to be on the disk
 * first.
 */
static inline bool spill_may_send(const struct lane *lane)
{
    return lane != lane->site->backlog || spill_is_first_written(lane);
}

/** Whether the lane would lose nothing if the process ended now. */
bool spill_is_safe(const struct lane *lane);

/** Does the work of spill_note_applied() with a journal. */
__attribute__((noinline)) void spill_end_record(struct spill *spill, struct lane *lane,
                                                struct batch *batch,
                                                const struct store_applied *applied);

/**
 * Records that the store has the batch: the journal need not keep it. `applied` has the pages'
 * totals.
 */
static inline void spill_note_applied(struct spill *spill, struct lane *lane, struct batch *batch,
                                      const struct store_applied *applied)
{
    if (spill->journal != NULL || batch->spill_record != NULL) {
        spill_end_record(spill, lane, batch, applied);
    }
}

/** Whether the journal has the record of the batch. */
bool spill_has_record(const struct batch *batch);

/**
 * Sets the record of a batch aside because the store no longer accepts it. If the record is still
 * being written, it is set aside afterwards. The batch must have a record and no visits. The caller
 * destroys it.
 */
void spill_set_aside(struct lane *lane, struct batch *batch);

/**
 * Reopens a batch that was never sent and whose record is being written. The record is done when it
 * is on the disk. Frees the batch if all of its visits have timed out.
 */
void spill_recall(struct batch *batch);

/**
 * Takes a record that an earlier run left into the lane of its epoch. Returns its entry. See
 * journal_open().
 */
struct journal_entry *spill_restore(struct spill *spill, struct lane *lane,
                                    struct journal_record *record);

#endif
