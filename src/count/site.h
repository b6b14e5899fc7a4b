/* SPDX-License-Identifier: MIT */
/**
 * site: the inside of the engine, shared by its parts: engine.c (who is admitted), waiting.c (who
 * waits, and the answers), sending.c (when is sent), leg.c (what becomes of it), healing.c (a store
 * that goes back), outdated.c (a site that was repaired), outage.c (the journal), failing.c (a
 * store that takes nothing). Nobody else includes it.
 *
 * A site has legs, each with a flow of its own, so that what waits in one holds up no other: the
 * live one; the backlog, for what went to the journal while the store was away; and one for each
 * epoch that an earlier run left in the journal.
 */
#ifndef VISITCOUNTD_COUNT_SITE_H
#define VISITCOUNTD_COUNT_SITE_H

#include "base/backoff.h"
#include "base/map.h"
#include "count/engine.h"
#include "count/flow.h"
#include "count/journal.h"
#include "count/known_visitors.h"

struct leg {
    struct list link;  /* in its site */
    struct list queue; /* in ready or resting, or in neither */
    struct site *site;
    struct flow flow;
    bool is_blind; /* its epoch began when the site's generation was not known, and still is not */
    struct failing *failing; /* NULL while the store takes what is sent */
    uint64_t used_at_ms;     /* when a visit came last */
};

struct site {
    struct map_node node;
    struct engine *engine;
    struct list awaited; /* in the engine's, while visits may wait */
    struct list legs;    /* the live one is the first */
    struct leg live;
    struct leg *backlog; /* NULL until the store is away for the first time */
    struct flow_old_version old_version;
    uint64_t generation;   /* as far as we know; see outdated.h */
    bool knows_generation; /* the store has answered */
    char name[STORE_SITE_MAX + 1];
};

struct engine {
    struct loop *loop;
    struct store *store;
    struct store_listener listener;
    struct journal *journal; /* or NULL */
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest; /* most visits are of the site of the visit before */
    struct list awaited; /* sites in which visits may wait: of thousands, a few */
    struct list ready;   /* legs with something to send */
    struct list resting; /* legs that wait for the retry timer, or for the store to come back */
    struct list failing; /* what is known of legs whose batches are refused: see failing.c */
    struct loop_task flush;
    bool has_gathered; /* since what is ready was sent last: see sending.c */
    struct loop_timer retry;
    struct loop_timer expire;
    struct loop_timer forget;
    struct backoff backoff;
    struct known_visitors known; /* to the store */
    struct map estimates; /* pages whose totals are remembered, for answers from the journal */
    bool is_available;
    bool is_stopped;
    uint64_t changed_at_ms;    /* when the store came or went last */
    uint64_t failing_since_ms; /* while the store is there but takes no batch; else 0 */
    uint64_t warned_at_ms;     /* of a leg that fails, last; 0: never */
};

static inline struct leg *leg_in_site(struct list *link)
{
    return container_of(link, struct leg, link);
}

static inline struct site *site_of(struct map_node *node)
{
    return container_of(node, struct site, node);
}

/** The site of this name, made when there is none. */
struct site *engine_take_site(struct engine *engine, const char *name);

#endif
