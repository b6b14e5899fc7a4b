/* SPDX-License-Identifier: MIT */
/** outcome: applies the store's answer to a lane: statistics, breakers, resends, retries. */
#ifndef VISITCOUNTD_COUNT_OUTCOME_H
#define VISITCOUNTD_COUNT_OUTCOME_H

#include "count/lane.h"
#include "count/session.h"
#include "count/spill.h"

/** Embedded in the engine. */
struct outcome {
    struct session_events events; /* the callbacks of each lane's session */
    const struct site_parts *parts;
    struct spill *spill;
};

/**
 * Initialises the struct. The other parts must outlive it. `parts->events` has to point to the
 * `events` of the struct.
 */
void outcome_init(struct outcome *outcome, const struct site_parts *parts, struct spill *spill);

#endif
