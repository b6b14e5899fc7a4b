/* SPDX-License-Identifier: MIT */
/**
 * failing: legs of which the store takes no batch though it is there, and what the log and the
 * status say of them. What follows from it is decided by breaker.c. A part of the engine: see
 * site.h.
 */
#ifndef VISITCOUNTD_COUNT_FAILING_H
#define VISITCOUNTD_COUNT_FAILING_H

#include "count/site.h"

/**
 * The store refused what a leg sent, as `end` says. When that has gone on for a second it is warned
 * of; once a minute, of one leg after the other. Of a site that is torn it is warned at once.
 */
void failing_note(struct leg *leg, const struct flow_end *end);

/** The store takes what the leg sends; said where it was warned of. */
void failing_end(struct leg *leg);

/** The store refuses all sites no longer. */
void failing_end_for_all(struct engine *engine);

/**
 * Whether the store was found a moment ago to refuse all sites, or `site`; NULL: that is not looked
 * at.
 */
bool failing_is_known(const struct engine *engine, const struct site *site);

/** Forgets legs that have not tried for a minute, since nobody came: called now and then. */
void failing_forget_idle(struct engine *engine);

/** Forgets it, and says nothing. */
void failing_forget(struct leg *leg);

/** The site that is refused for longest; false where none is. See engine_failure(). */
bool failing_find_longest(const struct engine *engine, struct engine_failure *ret_failure);

#endif
