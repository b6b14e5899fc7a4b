/* SPDX-License-Identifier: MIT */
/**
 * outage: what becomes of visits while the store takes none: they go to the journal, and are
 * answered, with an estimate, when they are on the disk. When the store is back, the journal is
 * replayed through the ledger, beside the visits of then.
 *
 * A part of the engine: see site.h. Without a journal all of it does nothing.
 */
#ifndef VISITCOUNTD_COUNT_OUTAGE_H
#define VISITCOUNTD_COUNT_OUTAGE_H

#include "count/site.h"

/** Whether visits go to the journal, since the store will not be back in a moment. */
bool outage_has_begun(const struct engine *engine, uint64_t now_ms);

/** The leg that takes a site's visits while the store is of no use. */
struct leg *outage_backlog(struct site *site);

/**
 * Takes what of a site waits for the store, and sends it to the journal: called when the store is
 * away, or when the patience of a visit has ended.
 */
void outage_shelter(struct site *site);

/** Sends the next batch of the backlog to the journal, unless one is on its way. */
void outage_write(struct site *site);

/** Whether the first batch of the leg may be sent: one that goes to the journal first waits. */
bool outage_may_send(const struct leg *leg);

/** Whether nothing of the leg would be lost if the process ended now. */
bool outage_is_safe(const struct leg *leg);

/** The store has the batch: the journal need not keep it. `applied` has the pages' totals. */
void outage_note_applied(struct leg *leg, struct batch *batch, const struct store_applied *applied);

/** Whether the record of the batch is in the journal. */
bool outage_has_record(const struct batch *batch);

/**
 * The store takes the batch no more, which has a record in the journal, or on its way there: the
 * record is set aside, now or when it is written. No visit is in the batch; the caller destroys it.
 */
void outage_set_aside(struct leg *leg, struct batch *batch);

/** Thaws a batch whose record is on its way to the journal, and which was never sent. */
void outage_recall(struct batch *batch);

/** A record that an earlier run left joins the leg of its epoch. See journal_open(). */
struct journal_entry *outage_restore(struct leg *leg, struct journal_record *record);

/** Frees the estimates. */
void outage_finish(struct engine *engine);

#endif
