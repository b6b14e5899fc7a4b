/* SPDX-License-Identifier: MIT */
/**
 * visit_timeouts: ends the wait of visits that the store did not answer in time. They are refused,
 * answered as unknown, or written to the journal. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_VISIT_TIMEOUTS_H
#define VISITCOUNTD_COUNT_VISIT_TIMEOUTS_H

#include "count/site.h"

/** Initialises the timer. It runs while visits wait: waiting_begin() starts it. */
void visit_timeouts_init(struct engine *engine);

/** Stops the timer. */
void visit_timeouts_finish(struct engine *engine);

#endif
