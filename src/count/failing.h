/* SPDX-License-Identifier: MIT */
/**
 * failing: legs of which the store takes no batch though it is there, and what the log and the
 * status say of them. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_FAILING_H
#define VISITCOUNTD_COUNT_FAILING_H

#include "count/site.h"

/**
 * The store refused what a leg sent, for `reason`, which is copied. When that has gone on for a
 * second it is warned of; once a minute, of one leg after the other.
 */
void failing_note(struct leg *leg, const char *reason);

/** The store takes what the leg sends; said where it was warned of. */
void failing_end(struct leg *leg);

/** Forgets legs that have not tried for a minute, since nobody came: called now and then. */
void failing_forget_idle(struct engine *engine);

/** Forgets it, and says nothing. */
void failing_forget(struct leg *leg);

#endif
