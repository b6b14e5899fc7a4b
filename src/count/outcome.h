/* SPDX-License-Identifier: MIT */
/**
 * outcome: applies the store's answer to a lane: statistics, breakers, resends, retries. A part of
 * the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_OUTCOME_H
#define VISITCOUNTD_COUNT_OUTCOME_H

#include "count/session.h"

/** The callbacks of each lane's session. */
extern const struct session_events outcome_events;

#endif
