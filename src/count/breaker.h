/* SPDX-License-Identifier: MIT */
/**
 * breaker: circuit breakers for a store that is reachable and refuses visits: one for all sites and
 * one per site. A breaker opens when refusals have lasted for max_wait_ms. From then on it admits
 * one visit at a time, which tests whether the store accepts visits again. All other visits are
 * refused at once. A part of the engine: see site.h.
 *
 * Only a write proves that the server accepts writes again. A server that refuses them may still
 * answer calls that write nothing: a position, a duplicate, a gap.
 */
#ifndef VISITCOUNTD_COUNT_BREAKER_H
#define VISITCOUNTD_COUNT_BREAKER_H

#include "count/site.h"

/**
 * Decides whether a refusal of the batch of `lane` concerns all sites. `scope` is what the store
 * says. If one site gets an error of all sites again after others were written, the error is that
 * site's own: in a cluster, or behind a proxy, it comes from the server that has the site's keys.
 */
enum store_scope breaker_scope(struct lane *lane, enum store_scope scope);

/** Records that the reachable store refused the call of `lane`, or did not confirm it. */
void breaker_note_refusal(struct lane *lane, const struct session_end *end);

/** Closes the breakers that an answer to `lane` closes. See breaker_note_applied(). */
__attribute__((noinline)) void breaker_close(struct lane *lane, bool is_written);

/** Records that the store has the batch of `lane`. `is_written`: it was written now. */
static inline void breaker_note_applied(struct lane *lane, bool is_written)
{
    struct engine *engine = lane->site->engine;

    if (is_written) {
        engine->writes++;
        lane->site->refused_with_all_at_ms = 0;
    }
    if (engine->is_unproven || lane->is_refused || lane->site->is_refused) {
        breaker_close(lane, is_written);
    }
}

/** Records that the store came or went. Forgets how long earlier refusals have lasted. */
void breaker_note_store(struct engine *engine);

/**
 * Whether a visit of `site` has to be refused at once, or go to the journal: the store has been
 * away or has refused the site for max_wait_ms, or the site's keys contradict each other. False for
 * a visit that tests the store. NULL stands for a site that is not known yet.
 */
bool breaker_is_open(const struct engine *engine, const struct site *site, uint64_t now_ms);

/** Until when a visit that is admitted now waits for the store, on the monotonic clock. */
uint64_t breaker_deadline_ms(const struct engine *engine, const struct site *site, uint64_t now_ms);

/**
 * The time at which the store went away, in ms of the monotonic clock. A pause of this process
 * since then moves it forward by the length of the pause, because the store had no chance to come
 * back.
 */
uint64_t breaker_away_since_ms(const struct engine *engine);

/** Records that the keys of a site no longer contradict each other, or that the site is gone. */
void breaker_end_torn(struct site *site);

/** Whether the site's keys contradict each other. */
static inline bool breaker_is_torn(const struct site *site)
{
    return !list_is_empty(&site->torn);
}

/** Whether the store is available and not known to refuse `site` or all sites. Called per visit. */
static inline bool breaker_is_closed(const struct engine *engine, const struct site *site)
{
    return engine->is_available && !engine->is_refusing &&
           (site == NULL || (!site->is_refused && !breaker_is_torn(site)));
}

#endif
