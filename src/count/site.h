/* SPDX-License-Identifier: MIT */
/**
 * site: the inside of the engine, shared by its parts. From the ground up: breaker.c (whom the
 * store refuses), failing.c (what is said of it), waiting.c (visits without an answer), sending.c
 * (which legs are ready), leg.c, outage.c (the journal), outdated.c (a site that was repaired),
 * healing.c (a store that goes back in time), outcome.c (what follows from an answer), dispatcher.c
 * (who is sent), visit_timeouts.c, engine.c (who is admitted). Nobody else includes it.
 *
 * A site has legs, each with a flow of its own, so that what waits in one holds up no other: the
 * live one; the backlog, for what went to the journal while the store was away; and one for each
 * epoch that an earlier run left in the journal.
 */
#ifndef VISITCOUNTD_COUNT_SITE_H
#define VISITCOUNTD_COUNT_SITE_H

#include "base/backoff.h"
#include "base/map.h"
#include "count/engine_types.h"
#include "count/flow.h"
#include "journal/journal.h"
#include "count/known_visitors.h"
#include "count/stats.h"
#include "count/visit.h"

struct leg {
    struct list link;  /* in its site */
    struct list queue; /* in ready or resting, or in neither */
    struct site *site;
    struct flow flow;
    bool is_blind; /* its epoch began when the site's generation was not known, and still is not */
    struct backoff backoff;
    struct loop_timer retry; /* after a refusal that concerns this site only */
    struct failing *failing; /* NULL while the store takes what is sent */
    bool is_refused;         /* the last that was heard: an error of the site's own */
    uint64_t used_at_ms;     /* when a visit came last */
};

struct site {
    struct map_node node;
    struct engine *engine;
    struct list awaited;   /* in the engine's, while visits may wait */
    struct list unwritten; /* in the engine's, while visits are to go to the journal */
    struct list torn;      /* in the engine's, while the site's keys contradict each other */
    struct list legs;      /* the live one is the first */
    struct leg live;
    struct leg *backlog; /* NULL until visits of the site go to the journal for the first time */
    uint64_t waiting;    /* visits of it without an answer */
    bool is_failing;     /* the store refuses the visits of this site; see breaker.c */
    uint64_t failing_since_ms;
    uint64_t failing_ended_at_ms; /* the last refusal of the site alone; 0: never */
    uint64_t failing_legs;        /* of which failing.c knows something */
    uint64_t
        refused_with_all_at_ms; /* by an error of all sites, last; 0: not since it was written */
    uint64_t writes_before;     /* the engine's, when it was refused so first */
    uint64_t unprotected;       /* visits dropped for want of room, and not said yet */
    uint64_t unprotected_said_at_ms;
    struct flow_old_version old_version;
    uint64_t generation;   /* as far as we know; see outdated.h */
    bool knows_generation; /* the store has answered */
    char name[STORE_SITE_MAX + 1];
};

struct engine {
    struct loop *loop;
    const struct flow_events *flow_events; /* of all legs: outcome.h */
    struct store *store;
    struct store_listener listener;
    struct journal *journal; /* or NULL */
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest;   /* most visits are of the site of the visit before */
    struct list awaited;   /* sites in which visits may wait: of thousands, a few */
    struct list unwritten; /* sites with visits for the journal */
    struct list torn;      /* sites of which the keys contradict each other */
    struct list ready;     /* legs with something to send */
    struct list resting;   /* legs that wait for the retry timer, or for the store to come back */
    struct leg *probe;     /* while the store refuses everybody: the one leg that is sent */
    struct list failing;   /* what is known of legs whose batches are refused: see failing.c */
    struct loop_task flush;
    bool has_gathered; /* since what is ready was sent last: see sending.c */
    struct loop_timer retry;
    struct loop_timer expire;
    struct loop_timer forget;
    struct backoff backoff;      /* of refusals that concern all sites, as the retry timer */
    struct known_visitors known; /* to the store */
    struct map estimates; /* pages whose totals are remembered, for answers from the journal */
    bool is_available;
    bool is_stopped;
    bool is_refusing;              /* the store is there and refuses all sites; see breaker.c */
    bool is_unproven;              /* it did, and has taken nothing since, however often it went */
    uint64_t changed_at_ms;        /* when the store came or went last */
    uint64_t changed_lost_ms;      /* loop_lost_ms() of then */
    uint64_t refusing_since_ms;    /* while is_refusing */
    uint64_t refusing_ended_at_ms; /* 0: never */
    uint64_t failing_waiting;      /* visits that wait, of the sites that fail by themselves */
    uint64_t failing_sites;        /* of which failing.c knows something */
    uint64_t torn_sites;
    uint64_t writes;       /* batches of all sites that the store has written */
    uint64_t warned_at_ms; /* of a leg that fails, last; 0: never */
};

static inline struct leg *leg_in_site(struct list *link)
{
    return container_of(link, struct leg, link);
}

static inline struct site *site_of(struct map_node *node)
{
    return container_of(node, struct site, node);
}

#endif
