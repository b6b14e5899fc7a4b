/* SPDX-License-Identifier: MIT */
/**
 * failing: tracks lanes whose batches a reachable store rejects, for the log and the status.
 * breaker.c decides what follows from it. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_FAILING_H
#define VISITCOUNTD_COUNT_FAILING_H

#include "count/site.h"

/**
 * Records that the store refused the call of a lane, as `end` says. Warns when the refusals have
 * lasted for a second, and then once a minute, of one lane after the other. Warns of a torn site at
 * once.
 */
void failing_note(struct lane *lane, const struct session_end *end);

/** Forgets the lane's failure: the store accepts its calls. Logs this if there was a warning. */
void failing_end(struct lane *lane);

/** Forgets the failures of all lanes that were refused together with all other sites. */
void failing_end_for_all(struct engine *engine);

/**
 * Whether the store has refused all sites, or `site`, within the last 5 seconds. NULL asks about
 * all sites only.
 */
bool failing_is_known(const struct engine *engine, const struct site *site);

/** Forgets lanes that have no work and were not refused for a minute. Called once a second. */
void failing_forget_idle(struct engine *engine);

/** Forgets the lane's failure without a log message. */
void failing_forget(struct lane *lane);

/**
 * Finds the lane that has failed for longest. Returns false if there is none. See engine_failure().
 */
bool failing_find_longest(const struct engine *engine, struct engine_failure *ret_failure);

#endif
