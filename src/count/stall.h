/* SPDX-License-Identifier: MIT */
/**
 * stall: tracks lanes whose batches a reachable store rejects, for the log and the status.
 * breaker.c decides what follows from it. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_STALL_H
#define VISITCOUNTD_COUNT_STALL_H

#include "count/site.h"

/**
 * Records that the store refused the call of a lane, as `end` says. Warns when the refusals have
 * lasted for a second, and then once a minute, of one lane after the other. Warns of a torn site at
 * once.
 */
void stall_note(struct lane *lane, const struct session_end *end);

/** Does the work of stall_end() for a lane that is tracked. */
__attribute__((noinline)) void stall_end_tracked(struct lane *lane);

/** Forgets the lane's stall: the store accepts its calls. Logs this if there was a warning. */
static inline void stall_end(struct lane *lane)
{
    if (lane->stall != NULL) {
        stall_end_tracked(lane);
    }
}

/** Forgets the stalls of all lanes that were refused together with all other sites. */
void stall_end_for_all(struct engine *engine);

/**
 * Whether the store has refused all sites, or `site`, within the last 5 seconds. NULL asks about
 * all sites only.
 */
bool stall_is_known(const struct engine *engine, const struct site *site);

/** Forgets lanes that have no work and were not refused for a minute. Called once a second. */
void stall_forget_idle(struct engine *engine);

/** Forgets the lane's stall without a log message. */
void stall_forget(struct lane *lane);

/**
 * Finds the lane that has stalled for longest. Returns false if there is none. See
 * engine_longest_stall().
 */
bool stall_find_longest(const struct engine *engine, struct engine_stall *ret_stall);

#endif
