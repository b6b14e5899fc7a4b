/* SPDX-License-Identifier: MIT */
/**
 * breaker: whom the store refuses while it is there: all sites, or single ones. A circuit breaker
 * for the server, and one for each site: it opens when the refusals have lasted for as long as a
 * visit waits. From then on one visit at a time is admitted, which finds out whether the store
 * takes visits again; the others are refused at once. A part of the engine: see site.h.
 *
 * Only a write proves that the server takes writes again: it may answer what writes nothing (a
 * position, a duplicate, a gap) all the time.
 */
#ifndef VISITCOUNTD_COUNT_BREAKER_H
#define VISITCOUNTD_COUNT_BREAKER_H

#include "count/site.h"

/**
 * Whom a refusal of what `leg` sent concerns, of which the store says `scope`. An error of all
 * sites that one gets again, after others were written meanwhile, is that site's own: behind a
 * proxy, or in a cluster, it is that of the servers which have its keys.
 */
enum store_scope breaker_scope(struct leg *leg, enum store_scope scope);

/** The store, which is there, refused what `leg` sent, or did not say what became of it. */
void breaker_note_refusal(struct leg *leg, const struct flow_end *end);

/** The store has what `leg` sent; `is_written`: it was written now. */
void breaker_note_applied(struct leg *leg, bool is_written);

/** The store came or went: how long the refusals of then lasted says nothing of now. */
void breaker_note_store(struct engine *engine);

/**
 * Whether a visit of `site`, or of one of which nothing is known (NULL), would wait in vain, and is
 * not the one that finds out.
 */
bool breaker_is_open(const struct engine *engine, const struct site *site, uint64_t now_ms);

/** Until when a visit that is admitted now waits for the store. */
uint64_t breaker_deadline_ms(const struct engine *engine, const struct site *site, uint64_t now_ms);

/**
 * Since when the store is away, later by what the process stood still since: then the store had no
 * chance to come back.
 */
uint64_t breaker_away_since_ms(const struct engine *engine);

/** The keys of a site no longer contradict each other, or it is gone. */
void breaker_end_torn(struct site *site);

/** Whether the site's keys contradict each other. */
static inline bool breaker_is_torn(const struct site *site)
{
    return !list_is_empty(&site->torn);
}

/** Whether the store is there and is not known to refuse `site`, or all sites. Made for each visit.
 */
static inline bool breaker_is_closed(const struct engine *engine, const struct site *site)
{
    return engine->is_available && !engine->is_refusing &&
           (site == NULL || (!site->is_failing && !breaker_is_torn(site)));
}

#endif
