/* SPDX-License-Identifier: MIT */
/**
 * breaker: whether there is hope that the store takes a visit. Knows whether the store is away, and
 * has circuit breakers for a store that is reachable and refuses visits: one for all sites and one
 * per site.
 *
 * A breaker opens when refusals have lasted for max_wait_ms. From then on it admits one visit at a
 * time, which tests whether the store accepts visits again. All other visits are refused at once.
 *
 * Only a write proves that the server accepts writes again. A server that refuses them may still
 * answer calls that write nothing: a position, a duplicate, a gap.
 */
#ifndef VISITCOUNTD_COUNT_BREAKER_H
#define VISITCOUNTD_COUNT_BREAKER_H

#include "base/list.h"
#include "count/engine_types.h"
#include "count/session.h"
#include "count/waiting_visits.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The breaker for the store as a whole. Embedded in the engine. */
struct breaker {
    struct loop *loop;
    const struct engine_options *options;
    const struct waiting_visits *waiting;
    struct list refused; /* sites that the store refuses alone */
    struct list torn;    /* sites whose keys contradict each other */
    uint64_t torn_count;
    bool is_available;
    bool is_refusing;              /* the store is reachable and refuses all sites */
    bool is_unproven;              /* it has refused all sites, and has written nothing since */
    uint64_t changed_at_ms;        /* when is_available changed last */
    uint64_t changed_lost_ms;      /* loop_lost_ms() at that time */
    uint64_t refusing_since_ms;    /* valid while is_refusing */
    uint64_t refusing_ended_at_ms; /* 0: never */
    uint64_t writes;               /* batches of all sites that the store has written */
};

/** The breaker for one site. Embedded in the site. */
struct site_breaker {
    struct breaker *all;
    struct site_visits *visits;
    const char *name;
    struct list refused; /* link in the list of refused sites, while is_refused */
    struct list torn;    /* link in the list of torn sites */
    bool is_refused;
    uint64_t refused_since_ms;       /* valid while is_refused */
    uint64_t refused_ended_at_ms;    /* the last refusal of this site alone; 0: never */
    uint64_t refused_lanes;          /* lanes whose last answer was a refusal of this site alone */
    uint64_t refused_with_all_at_ms; /* the last refusal by an error of all sites; 0: none since the
                                        site was written */
    uint64_t writes_before;          /* the count of writes at the first one of these refusals */
};

/** What the breaker knows of one lane. Embedded in the lane. */
struct lane_breaker {
    struct site_breaker *site;
    bool is_live;    /* the lane takes new visits: if it is refused, the site is */
    bool is_refused; /* the last answer was a refusal of this site alone */
};

/** Initialises the breaker of a store that is available or away now. */
void breaker_init(struct breaker *breaker, struct loop *loop, const struct engine_options *options,
                  const struct waiting_visits *waiting, bool is_available);

/** Ends the breaker. All sites have ended. */
void breaker_finish(struct breaker *breaker);

/** Initialises the part of a site, and ends it. `name` and `visits` must outlive it. */
void breaker_init_site(struct site_breaker *site, struct breaker *all, struct site_visits *visits,
                       const char *name);
void breaker_finish_site(struct site_breaker *site);

/** Initialises the part of a lane of `site`, and ends it. `is_live`: the lane takes new visits. */
void breaker_init_lane(struct lane_breaker *lane, struct site_breaker *site, bool is_live);
void breaker_finish_lane(struct lane_breaker *lane);

/* --- what the store does --- */

/**
 * Decides whether a refusal of a batch of `site` concerns all sites. `scope` is what the store
 * says. If one site gets an error of all sites again after others were written, the error is that
 * site's own: in a cluster, or behind a proxy, it comes from the server that has the site's keys.
 */
enum store_scope breaker_scope(struct site_breaker *site, enum store_scope scope);

/**
 * Records that the store refused the call of `lane`, or did not confirm it. The store is available:
 * one that is away was not asked.
 */
void breaker_note_refusal(struct lane_breaker *lane, const struct session_end *end);

/** Closes the breakers that an answer to `lane` closes. See breaker_note_applied(). */
__attribute__((noinline)) void breaker_close(struct lane_breaker *lane, bool is_written);

/** Records that the store has the batch of `lane`. `is_written`: it was written now. */
static inline void breaker_note_applied(struct lane_breaker *lane, bool is_written)
{
    struct site_breaker *site = lane->site;

    if (is_written) {
        site->all->writes++;
        site->refused_with_all_at_ms = 0;
    }
    if (site->all->is_unproven || lane->is_refused || site->is_refused) {
        breaker_close(lane, is_written);
    }
}

/** Records that the store came or went. Forgets how long earlier refusals have lasted. */
void breaker_note_store(struct breaker *breaker, bool is_available);

/* --- admission --- */

/**
 * Whether a visit of `site` has to be refused at once, or go to the journal: the store has been
 * away or has refused the site for max_wait_ms, or the site's keys contradict each other. False for
 * a visit that tests the store. NULL stands for a site that is not known yet.
 */
bool breaker_is_open(const struct breaker *breaker, const struct site_breaker *site,
                     uint64_t now_ms);

/** Until when a visit that is admitted now waits for the store, on the monotonic clock. */
uint64_t breaker_deadline_ms(const struct breaker *breaker, const struct site_breaker *site,
                             uint64_t now_ms);

/** Whether the site's keys contradict each other. */
static inline bool breaker_is_torn(const struct site_breaker *site)
{
    return !list_is_empty(&site->torn);
}

/** Whether the store is available and not known to refuse `site` or all sites. Called per visit. */
static inline bool breaker_is_closed(const struct breaker *breaker, const struct site_breaker *site)
{
    return breaker->is_available && !breaker->is_refusing &&
           (site == NULL || (!site->is_refused && !breaker_is_torn(site)));
}

/* --- what other parts ask --- */

/** Whether the store is available: it is reachable, although it may refuse visits. */
static inline bool breaker_is_available(const struct breaker *breaker)
{
    return breaker->is_available;
}

/** Whether the store is reachable and refuses all sites. */
static inline bool breaker_is_refusing(const struct breaker *breaker)
{
    return breaker->is_refusing;
}

/** Whether the store refuses this site alone. */
static inline bool breaker_is_site_refused(const struct site_breaker *site)
{
    return site->is_refused;
}

/** When the store came or went last, in ms of the monotonic clock. */
static inline uint64_t breaker_changed_at_ms(const struct breaker *breaker)
{
    return breaker->changed_at_ms;
}

/**
 * The time at which the store went away, in ms of the monotonic clock. A pause of this process
 * since then moves it forward by the length of the pause, because the store had no chance to come
 * back.
 */
uint64_t breaker_away_since_ms(const struct breaker *breaker);

/**
 * breaker_has_worked_for() returns whether the store has been available for `for_ms`, and has not
 * refused all sites in that time. A refusal of all sites lasts until the store writes something.
 * breaker_has_site_worked_for() returns whether it has not refused this site alone in that time.
 */
bool breaker_has_worked_for(const struct breaker *breaker, uint64_t now_ms, uint64_t for_ms);
bool breaker_has_site_worked_for(const struct site_breaker *site, uint64_t now_ms, uint64_t for_ms);

/**
 * breaker_torn_count() returns how many sites have keys that contradict each other.
 * breaker_list_torn() calls `on_site` with the name of each, before it returns.
 */
static inline uint64_t breaker_torn_count(const struct breaker *breaker)
{
    return breaker->torn_count;
}

void breaker_list_torn(const struct breaker *breaker, void (*on_site)(void *data, const char *site),
                       void *data);

#endif
