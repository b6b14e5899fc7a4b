/* SPDX-License-Identifier: MIT */
/**
 * stall: tracks lanes whose batches a reachable store rejects, for the log and the status.
 * breaker.c decides what follows from a rejection.
 */
#ifndef VISITCOUNTD_COUNT_STALL_H
#define VISITCOUNTD_COUNT_STALL_H

#include "base/list.h"
#include "count/breaker.h"
#include "count/engine_types.h"
#include "count/session.h"
#include "count/waiting_visits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;
struct stall;

/** The stalls of all sites. Embedded in the engine. */
struct stalls {
    const struct breaker *breaker;
    const struct waiting_visits *waiting;
    const struct journal *journal; /* NULL without a journal */
    struct list all;               /* ordered by the last warning */
    uint64_t site_count;           /* sites that have one */
    uint64_t warned_at_ms;         /* the last warning; 0: never */
};

/** The stalls of one site. Embedded in the site. */
struct site_stalls {
    struct stalls *stalls;
    const struct site_breaker *breaker;
    struct list list;
};

/** The stall of a lane. Embedded in the lane. */
struct lane_stall {
    struct site_stalls *site;
    const struct session *session;
    struct stall *stall; /* NULL while the store accepts the batches */
};

/** Initialises the struct. The other parts must outlive it. There is no journal at first. */
void stall_init(struct stalls *stalls, const struct breaker *breaker,
                const struct waiting_visits *waiting);

/** Ends the struct. All lanes have ended. */
void stall_finish(struct stalls *stalls);

/** Sets the journal whose visits the warnings tell. NULL: there is none. */
void stall_use_journal(struct stalls *stalls, const struct journal *journal);

/** Initialise the part of a site, and that of a lane with its session. */
void stall_init_site(struct site_stalls *site, struct stalls *stalls,
                     const struct site_breaker *breaker);
void stall_init_lane(struct lane_stall *lane, struct site_stalls *site,
                     const struct session *session);

/**
 * Records that the store refused the call of a lane, as `end` says. Warns when the refusals have
 * lasted for a second, and then once a minute, of one lane after the other. Warns of a torn site at
 * once.
 */
void stall_note(struct lane_stall *lane, const struct session_end *end);

/** Does the work of stall_end() for a lane that is tracked. */
__attribute__((noinline)) void stall_end_tracked(struct lane_stall *lane);

/** Forgets the lane's stall: the store accepts its calls. Logs this if there was a warning. */
static inline void stall_end(struct lane_stall *lane)
{
    if (lane->stall != NULL) {
        stall_end_tracked(lane);
    }
}

/** Forgets the stalls of all lanes that were refused together with all other sites. */
void stall_end_for_all(struct stalls *stalls);

/**
 * Whether the store has refused all sites, or `site`, within the last 5 seconds. NULL asks about
 * all sites only.
 */
bool stall_is_known(const struct stalls *stalls, const struct site_stalls *site);

/** Forgets lanes that have no work and were not refused for a minute. Called once a second. */
void stall_forget_idle(struct stalls *stalls);

/** Forgets the lane's stall without a log message. Also ends the part of a lane. */
void stall_forget(struct lane_stall *lane);

/**
 * Finds the lane that has stalled for longest. Returns false if there is none. See
 * engine_longest_stall().
 */
bool stall_find_longest(const struct stalls *stalls, struct engine_stall *ret_stall);

#endif
