/* SPDX-License-Identifier: MIT */
/**
 * healing: what is done where the store may have gone back in time, and for how long answered
 * batches are kept for that. The ledger knows which ones. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_HEALING_H
#define VISITCOUNTD_COUNT_HEALING_H

#include "count/site.h"

/** Prepares the engine to forget what was answered long ago. */
void healing_init(struct engine *engine);

/** Forgets nothing any more. */
void healing_finish(struct engine *engine);

/** The store comes back, and may have less than it had: all legs look before they send. */
void healing_distrust(struct engine *engine);

/**
 * A store that went back in time did so for all legs, but only `leg` knows. Some of the others
 * would not send anything to find out.
 */
void healing_distrust_elsewhere(const struct leg *leg);

/** Counts and says what a store that went back in time lacks. */
void healing_note_gap(struct leg *leg, const struct ledger_gap *gap);

#endif
