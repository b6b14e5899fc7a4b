/* SPDX-License-Identifier: MIT */
/**
 * outcome: applies the store's answer to a lane: statistics, breakers, resends, retries. A part of
 * the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_OUTCOME_H
#define VISITCOUNTD_COUNT_OUTCOME_H

#include "count/flow.h"

/** The callbacks of each lane's flow. */
extern const struct flow_events outcome_events;

#endif
