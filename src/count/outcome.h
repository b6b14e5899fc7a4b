/* SPDX-License-Identifier: MIT */
/**
 * outcome: what follows from the store's answer to a leg. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_OUTCOME_H
#define VISITCOUNTD_COUNT_OUTCOME_H

#include "count/flow.h"

/** What each leg's flow calls. */
extern const struct flow_events outcome_events;

#endif
