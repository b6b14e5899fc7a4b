/* SPDX-License-Identifier: MIT */
/**
 * site: the internals of the engine, shared by its parts. Only the parts of the engine include it.
 *
 * The parts, each built on those before it:
 * breaker.c: circuit breakers, for the store as a whole and for each site.
 * stall.c: warnings and status about sites whose batches the store rejects.
 * waiting_visits.c: visits without an answer.
 * dispatcher.c: which lanes are ready to send.
 * lane.c: lanes.
 * spill.c: the way to the journal and back.
 * outdated.c: sites that an operator repaired.
 * resend.c: resending to a store that went back in time.
 * outcome.c: what follows from an answer of the store.
 * engine.c: admits visits, sends the lanes that are ready, ends the wait of visits.
 *
 * A site has several lanes (struct lane), each with a session (struct session) of its own. Visits
 * that wait in one lane do not hold up another. The live lane takes visits while the store answers.
 * The backlog takes visits that went to the journal. There is one more lane for each epoch that an
 * earlier run left in the journal.
 */
#ifndef VISITCOUNTD_COUNT_SITE_H
#define VISITCOUNTD_COUNT_SITE_H

#include "base/map.h"
#include "count/breaker.h"
#include "count/dispatcher.h"
#include "count/engine_types.h"
#include "count/session.h"
#include "journal/journal.h"
#include "count/estimates.h"
#include "count/known_visitors.h"
#include "count/stall.h"
#include "count/stats.h"
#include "count/waiting_visits.h"
#include "count/visit.h"

#include <string.h>

struct lane {
    struct list link; /* in its site's list */
    struct site *site;
    struct session session;
    bool is_blind; /* the epoch began before the site's generation was known; it still is not known
                    */
    struct lane_stall stall;
    struct dispatcher_lane dispatch;
    struct lane_breaker breaker;
    uint64_t used_at_ms; /* when the last visit came */
};

struct site {
    struct map_node node;
    struct engine *engine;
    struct site_visits visits;
    struct list lanes; /* the live one comes first */
    struct lane live;
    struct lane *backlog; /* NULL until the site's first visit goes to the journal */
    struct site_breaker breaker;
    struct site_stalls stalls;
    uint64_t unprotected; /* visits no longer retained for want of room, not logged yet */
    uint64_t unprotected_said_at_ms;
    struct session_old_version old_version;
    uint64_t generation;   /* the latest one known; see outdated.h */
    bool knows_generation; /* the store has answered, so `generation` is right */
    char name[STORE_SITE_MAX + 1];
};

struct engine {
    struct loop *loop;
    const struct session_events *session_events; /* shared by all lanes: outcome.h */
    struct store *store;
    struct store_listener listener;
    struct journal *journal; /* NULL without a journal */
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest; /* a cache: most visits are of the same site as the visit before */
    struct waiting_visits waiting;
    struct stalls stalls;
    struct dispatcher dispatcher;
    struct loop_timer forget;
    struct known_visitors known; /* visitors that the store already has */
    struct estimates estimates;
    struct breaker breaker;
    bool is_stopped;
};

static inline struct lane *lane_in_site(struct list *link)
{
    return container_of(link, struct lane, link);
}

static inline struct site *site_of(struct map_node *node)
{
    return container_of(node, struct site, node);
}

/** Returns the site of that name, or NULL. Most visits are of the same site as the visit before. */
static inline struct site *site_find(const struct engine *engine, const char *name)
{
    struct map_node *node;

    if (engine->latest != NULL && strcmp(engine->latest->name, name) == 0) {
        return engine->latest;
    }
    node = map_find(&engine->sites, name, strlen(name));
    return node != NULL ? site_of(node) : NULL;
}

#endif
