/* SPDX-License-Identifier: MIT */
/**
 * dispatcher: which lanes are ready and which rest. The engine sends the ready ones at the end of
 * the turn. The dispatcher also knows which lanes have batches to write to the journal.
 *
 * A refused lane rests first. If the refusal concerns its site, a timer of its own ends the rest.
 * If the store is away or refuses all sites, the lane rests in a common queue. While the store
 * refuses all sites, one lane at a time is sent: the probe. All share one back-off. When the store
 * accepts a probe, all lanes are sent.
 */
#ifndef VISITCOUNTD_COUNT_DISPATCHER_H
#define VISITCOUNTD_COUNT_DISPATCHER_H

#include "base/backoff.h"
#include "base/list.h"
#include "count/breaker.h"
#include "count/engine_types.h"
#include "count/session.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct dispatcher_lane;

/** The queues of all lanes. Embedded in the engine. */
struct dispatcher {
    struct loop *loop;
    const struct engine_options *options;
    const struct breaker *breaker;
    struct list ready;             /* lanes with something to send */
    struct list resting;           /* lanes that wait for the retry timer or for the store */
    struct list unwritten;         /* lanes with batches for the journal */
    struct dispatcher_lane *probe; /* the only lane that sends while the store refuses all sites */
    struct loop_task flush;        /* runs at the end of a turn in which a lane became ready */
    bool has_gathered;             /* connections were polled once more before this flush */
    struct loop_timer retry;
    struct backoff backoff; /* for refusals that concern all sites; used by `retry` */
};

/** A lane in the queues. Embedded in the lane. */
struct dispatcher_lane {
    struct dispatcher *dispatcher;
    const struct session *session;
    struct list queue;       /* in `ready` or `resting`, or in neither */
    struct list unwritten;   /* in the list of that name, or not */
    struct loop_timer retry; /* runs after a refusal that concerns only this site */
    struct backoff backoff;
};

/**
 * Initialises the dispatcher. The other parts must outlive it. `flush` runs at the end of a turn in
 * which a lane became ready, or has batches for the journal. It empties the two queues.
 */
void dispatcher_init(struct dispatcher *dispatcher, struct loop *loop,
                     const struct engine_options *options, const struct breaker *breaker,
                     void (*flush)(struct loop_task *task));

/** Initialises the part of a lane with its session. The lane is in no queue. */
void dispatcher_init_lane(struct dispatcher_lane *lane, struct dispatcher *dispatcher,
                          const struct session *session);

/** Takes a lane out of all queues, and ends its part. */
void dispatcher_finish_lane(struct dispatcher_lane *lane);

/** Stops the timer and the task. All lanes have ended. */
void dispatcher_finish(struct dispatcher *dispatcher);

/* --- what the lanes have to do --- */

/** Puts a lane into the queue of ready lanes, unless it rests. */
void dispatcher_make_ready(struct dispatcher_lane *lane);

/** Does the same if the lane has something to send and no call is open. */
void dispatcher_wake(struct dispatcher_lane *lane);

/** Schedules the open batches of a lane for the journal, at the end of this turn. */
void dispatcher_write_soon(struct dispatcher_lane *lane);

/**
 * Records that a call of a lane was refused, or that the store is away. The lane rests if it has
 * more work.
 */
void dispatcher_note_refusal(struct dispatcher_lane *lane, enum store_scope scope);

/** Records that the store answered a lane. The lane continues if it has more work. */
void dispatcher_note_success(struct dispatcher_lane *lane);

/**
 * Record that the store came or went: first for the dispatcher, then for each lane. A lane that has
 * something to send becomes ready, however long it should have rested.
 */
void dispatcher_note_store(struct dispatcher *dispatcher);
void dispatcher_note_store_of(struct dispatcher_lane *lane);

/* --- the flush --- */

/**
 * Whether connections are polled once more before this flush, which then runs again. `waiting` is
 * the number of visits that wait. If it is more than one, visits of those connections join, and
 * fewer, larger batches save more than the extra turn costs.
 */
bool dispatcher_gathers(struct dispatcher *dispatcher, uint64_t waiting);

/** Pop the first lane that is ready, or that has batches for the journal. NULL: there is none. */
struct dispatcher_lane *dispatcher_pop_ready(struct dispatcher *dispatcher);
struct dispatcher_lane *dispatcher_pop_unwritten(struct dispatcher *dispatcher);

/** Lets a lane, which is not the probe, rest until a timer or the store wakes it. */
void dispatcher_rest(struct dispatcher_lane *lane);

/** Whether a timer makes the lane ready again after a refusal that concerned only its site. */
static inline bool dispatcher_is_delayed(const struct dispatcher_lane *lane)
{
    return loop_timer_is_active(&lane->retry);
}

/**
 * Whether a lane may be sent. While the store refuses all sites, only the probe may. The first lane
 * that asks becomes it.
 */
bool dispatcher_may_send(struct dispatcher_lane *lane);

/** If the lane is the probe but did not send, chooses another probe. */
void dispatcher_release_probe(struct dispatcher_lane *lane);

#endif
