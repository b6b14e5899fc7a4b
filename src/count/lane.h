/* SPDX-License-Identifier: MIT */
/**
 * lane: the sites of the engine and their lanes.
 *
 * A site has several lanes, each with a session of its own. Visits that wait in one lane do not
 * hold up another. The live lane takes visits while the store answers. The backlog takes visits
 * that went to the journal. There is one more lane for each epoch that an earlier run left in the
 * journal.
 *
 * Both embed a struct of each part of the engine that needs one.
 */
#ifndef VISITCOUNTD_COUNT_LANE_H
#define VISITCOUNTD_COUNT_LANE_H

#include "base/list.h"
#include "base/map.h"
#include "count/breaker.h"
#include "count/dispatcher.h"
#include "count/engine_types.h"
#include "count/known_visitors.h"
#include "count/retention.h"
#include "count/session.h"
#include "count/stall.h"
#include "count/stats.h"
#include "count/waiting_visits.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** What sites and lanes are created with. All of it is the engine's, and outlives them. */
struct site_parts {
    struct store *store;
    const struct engine_options *options;
    const struct session_events *events; /* shared by all lanes: outcome.h */
    struct stats *stats;
    struct known_visitors *known; /* visitors that the store already has */
    struct waiting_visits *waiting;
    struct breaker *breaker;
    struct stalls *stalls;
    struct dispatcher *dispatcher;
    struct retention *retention;
};

/** All sites that had visits. Embedded in the engine. */
struct site_table {
    struct site_parts parts;
    struct map map;
    struct site *latest; /* a cache: most visits are of the same site as the visit before */
};

struct lane {
    struct list link; /* in its site's list */
    struct site *site;
    struct session session;
    struct dispatcher_lane dispatch;
    struct lane_breaker breaker;
    struct lane_stall stall;
    struct lane_retention retention;
    uint64_t used_at_ms; /* when the last visit came */
    bool is_blind;       /* its epoch began before the generation was known, which it is not yet */
};

/** How often a site was repaired, as far as this process knows: see outdated.h. */
struct site_generation {
    uint64_t latest;
    bool is_known; /* the store has answered, so `latest` is right */
};

struct site {
    struct map_node node;
    struct site_table *table;
    struct list lanes; /* the live one comes first */
    struct lane live;
    struct lane *backlog; /* NULL until the site's first visit goes to the journal */
    struct site_visits visits;
    struct site_breaker breaker;
    struct site_stalls stalls;
    struct site_retention retention;
    struct session_old_version old_version;
    struct site_generation generation;
    char name[STORE_SITE_MAX + 1];
};

/** Returns the lane whose `link` this is, or the site whose `node` this is. */
static inline struct lane *lane_in_site(struct list *link)
{
    return container_of(link, struct lane, link);
}

static inline struct site *site_of(struct map_node *node)
{
    return container_of(node, struct site, node);
}

/* --- sites --- */

/** Initialises a table without sites. */
void site_table_init(struct site_table *table, const struct site_parts *parts);

/** Frees all sites. No visit may wait. */
void site_table_finish(struct site_table *table);

/** Returns the site of that name, or NULL. Most visits are of the same site as the visit before. */
static inline struct site *site_find(const struct site_table *table, const char *name)
{
    struct map_node *node;

    if (table->latest != NULL && strcmp(table->latest->name, name) == 0) {
        return table->latest;
    }
    node = map_find(&table->map, name, strlen(name));
    return node != NULL ? site_of(node) : NULL;
}

/** Returns the site of that name (at most STORE_SITE_MAX bytes). Creates it if there is none. */
struct site *site_find_or_create(struct site_table *table, const char *name);

/** Records that a visit of the site comes: the next one is probably of the same site. */
static inline void site_use(struct site *site)
{
    site->table->latest = site;
}

/** Returns the lane that takes the site's visits for the journal. Creates it for the first one. */
struct lane *site_find_or_create_backlog(struct site *site);

/** Whether a lane of the site has batches that the store has not confirmed. */
bool site_has_batches(const struct site *site);

/** Answers the visits of the site that have timed out by `patience_ms`, as refused or unknown. */
void site_expire_visits(struct site *site, uint64_t patience_ms);

/**
 * Answers all visits of a torn site as refused or unknown. Visits that were not sent are certainly
 * not counted.
 */
void site_refuse_torn_visits(struct site *site);

/** Frees the lanes of earlier runs that have no work and no retained batches left. */
void site_finish_idle_lanes(struct site *site);

/* --- lanes --- */

/**
 * Returns the lane of an epoch that the journal names. Creates it for an epoch of an earlier run.
 */
struct lane *lane_find_or_create(struct site *site, const char *epoch);

/**
 * Records that a visit comes to a lane. Begins a new epoch after a long time without visits: the
 * store may have forgotten the old epoch, and that would look like a loss.
 */
static inline void lane_use(struct lane *lane, uint64_t now_ms)
{
    if (now_ms - lane->used_at_ms > lane->site->table->parts.options->ledger_ttl_ms / 2) {
        session_renew(&lane->session);
    }
    lane->used_at_ms = now_ms;
}

#endif
