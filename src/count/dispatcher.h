/* SPDX-License-Identifier: MIT */
/**
 * dispatcher: which lanes are ready and which rest. The engine sends the ready ones at the end of
 * the turn.
 *
 * A refused lane rests first. If the refusal concerns its site, a timer of its own ends the rest.
 * If the store is away or refuses all sites, the lane rests in a common queue. While the store
 * refuses all sites, one lane at a time is sent: the probe. All share one back-off. When the store
 * accepts a probe, all lanes are sent. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_DISPATCHER_H
#define VISITCOUNTD_COUNT_DISPATCHER_H

#include "count/site.h"

/** Initialise the queues and timers of the engine and of a lane. */
void dispatcher_init(struct engine *engine);
void dispatcher_init_lane(struct lane *lane);

/** Stop them. No lane is sent any more. */
void dispatcher_finish(struct engine *engine);
void dispatcher_finish_lane(struct lane *lane);

/** Puts a lane into the queue of ready lanes, unless it rests. */
void dispatcher_make_ready(struct lane *lane);

/** Does the same if the lane has something to send and no call is open. */
void dispatcher_wake(struct lane *lane);

/** Schedules the open batches of a site's backlog for the journal, at the end of this turn. */
void dispatcher_write_soon(struct site *site);

/**
 * Records that a call of a lane was refused, or that the store is away. The lane rests if it has
 * more work.
 */
void dispatcher_note_refusal(struct lane *lane, enum store_scope scope);

/** Records that the store answered a lane. The lane continues if it has more work. */
void dispatcher_note_success(struct lane *lane);

/** Records that the store came or went. All lanes that have something to send become ready. */
void dispatcher_note_store(struct engine *engine);

/** Takes the first lane out of the queue of ready ones, or returns NULL. */
struct lane *dispatcher_take_ready(struct engine *engine);

/** Lets a lane rest until a timer or the store wakes it. */
void dispatcher_rest(struct lane *lane);

/**
 * Whether a lane may be sent. While the store refuses all sites, only the probe
 * may.
 */
bool dispatcher_may_send(struct lane *lane);

/** If the lane is the probe but did not send, chooses another probe. */
void dispatcher_release_probe(struct lane *lane);

#endif
