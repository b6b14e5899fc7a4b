/* SPDX-License-Identifier: MIT */
/**
 * site: the inside of the engine, shared by engine.c (visits, sending, answers) and outage.c (the
 * journal). Nobody else includes it.
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
    uint64_t used_at_ms; /* when a visit came last */
};

struct site {
    struct map_node node;
    struct engine *engine;
    struct list awaited; /* in the engine's, while visits may wait */
    struct list legs;    /* the live one is the first */
    struct leg live;
    struct leg *backlog; /* NULL until the store is away for the first time */
    char name[STORE_SITE_MAX + 1];
};

struct engine {
    struct loop *loop;
    struct store *store;
    struct journal *journal; /* or NULL */
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest; /* most visits are of the site of the visit before */
    struct list awaited; /* sites in which visits may wait: of thousands, a few */
    struct list ready;   /* legs with something to send */
    struct list resting; /* legs that wait for the retry timer, or for the store to come back */
    struct loop_task flush;
    bool has_gathered; /* since what is ready was sent last: see on_flush() */
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
};

/** Makes a new leg of `site` and puts it behind the others. */
void leg_init(struct leg *leg, struct site *site);

/**
 * Says that visits come to a leg. Begins a new epoch where the leg was unused for so long that the
 * store may have forgotten the old one, which must not look like a loss.
 */
void leg_use(struct leg *leg, uint64_t now_ms);

/** Puts a leg among those that are sent at the end of this turn. */
void leg_make_ready(struct leg *leg);

/** The site of this name, made when there is none. */
struct site *engine_take_site(struct engine *engine, const char *name);

/** Answers `visits` as refused or unknown, with a reason for people. */
void engine_answer_uncounted(struct engine *engine, struct list *visits, enum visit_status status,
                             const char *reason);

#endif
