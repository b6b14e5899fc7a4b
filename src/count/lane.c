/* SPDX-License-Identifier: MIT */
#include "count/lane.h"

#include "base/alloc.h"
#include "base/require.h"

#include <stdlib.h>

/* --- lanes --- */

/* initialises a lane of `site` and appends it to the site's lanes */
static void init_lane(struct lane *lane, struct site *site)
{
    const struct site_parts *parts = &site->table->parts;

    require(lane->site == NULL);
    lane->site = site;
    session_init(&lane->session, parts->store, site->name, parts->events);
    lane->session.known = parts->known;
    lane->session.old_version = &site->old_version;
    breaker_init_lane(&lane->breaker, &site->breaker, lane == &site->live);
    stall_init_lane(&lane->stall, &site->stalls, &lane->session);
    dispatcher_init_lane(&lane->dispatch, parts->dispatcher, &lane->session);
    retention_init_lane(&lane->retention, &site->retention, &lane->session);
    lane->is_blind = !site->generation.is_known;
    if (site->generation.latest != 0) {
        session_begin_generation(&lane->session, site->generation.latest);
    }
    list_append(&site->lanes, &lane->link);
}

/* the journal is closed by now, or has no entry of these */
static void free_spill_records(struct lane *lane)
{
    list_for_each(link, &lane->session.batches) {
        free(container_of(link, struct batch, link)->spill_record);
    }
}

/* ends a lane that has no visits left; frees it unless it is the live one */
static void finish_lane(struct lane *lane)
{
    list_remove(&lane->link);
    retention_finish_lane(&lane->retention);
    dispatcher_finish_lane(&lane->dispatch);
    stall_forget(&lane->stall);
    breaker_finish_lane(&lane->breaker);
    free_spill_records(lane);
    session_finish(&lane->session);
    if (lane != &lane->site->live) {
        free(lane);
    }
}

struct lane *lane_find_or_create(struct site *site, const char *epoch)
{
    struct lane *lane;

    list_for_each(link, &site->lanes) {
        lane = lane_in_site(link);
        if (strcmp(lane->session.ledger.epoch, epoch) == 0) {
            return lane;
        }
    }
    lane = alloc_zero(1, sizeof(*lane));
    init_lane(lane, site);
    lane->is_blind = false;
    ledger_continue(&lane->session.ledger, epoch);
    return lane;
}

struct lane *site_find_or_create_backlog(struct site *site)
{
    if (site->backlog == NULL) {
        site->backlog = alloc_zero(1, sizeof(*site->backlog));
        init_lane(site->backlog, site);
    }
    return site->backlog;
}

void site_finish_idle_lanes(struct site *site)
{
    struct list *link = site->lanes.next;

    while (link != &site->lanes) {
        struct lane *lane = lane_in_site(link);

        link = link->next;
        if (lane != &site->live && lane != site->backlog && !session_has_work(&lane->session) &&
            !session_is_busy(&lane->session) && list_is_empty(&lane->session.ledger.retained)) {
            finish_lane(lane);
        }
    }
}

/* --- sites --- */

static struct site *create_site(struct site_table *table, const char *name)
{
    const struct site_parts *parts = &table->parts;
    struct site *site = alloc_zero(1, sizeof(*site));

    require(strlen(name) <= STORE_SITE_MAX);
    site->table = table;
    strncpy(site->name, name, STORE_SITE_MAX);
    waiting_visits_init_site(&site->visits, parts->waiting);
    breaker_init_site(&site->breaker, parts->breaker, &site->visits, site->name);
    stall_init_site(&site->stalls, parts->stalls, &site->breaker);
    retention_init_site(&site->retention, parts->retention, &site->breaker, site->name);
    site->old_version.until_ms = UINT64_MAX;
    list_init(&site->lanes);
    map_insert(&table->map, &site->node, site->name, strlen(site->name));
    init_lane(&site->live, site);
    return site;
}

static void destroy_site(struct site *site)
{
    map_remove(&site->table->map, &site->node);
    while (!list_is_empty(&site->lanes)) {
        finish_lane(lane_in_site(site->lanes.next));
    }
    retention_finish_site(&site->retention);
    breaker_finish_site(&site->breaker);
    waiting_visits_finish_site(&site->visits);
    free(site);
}

void site_table_init(struct site_table *table, const struct site_parts *parts)
{
    *table = (struct site_table){.parts = *parts};
    map_init(&table->map);
}

void site_table_finish(struct site_table *table)
{
    map_for_each(node, &table->map) {
        destroy_site(site_of(node));
    }
    require(map_count(&table->map) == 0);
    map_finish(&table->map);
    table->latest = NULL;
}

struct site *site_find_or_create(struct site_table *table, const char *name)
{
    struct site *site = site_find(table, name);

    return site != NULL ? site : create_site(table, name);
}

bool site_has_batches(const struct site *site)
{
    list_for_each(link, &site->lanes) {
        if (!list_is_empty(&lane_in_site(link)->session.batches)) {
            return true;
        }
    }
    return false;
}

/* --- visits that were not answered in time --- */

static void expire(struct site *site, uint64_t patience_ms, const char *why_refused)
{
    struct list refused;
    struct list unknown;

    list_init(&refused);
    list_init(&unknown);
    list_for_each(link, &site->lanes) {
        session_expire(&lane_in_site(link)->session, patience_ms, &refused, &unknown);
    }
    waiting_visits_answer_uncounted(&site->visits, &refused, VISIT_REFUSED, why_refused);
    waiting_visits_answer_uncounted(&site->visits, &unknown, VISIT_UNKNOWN,
                                    "the store did not confirm the visit in time; it may have been "
                                    "counted");
}

void site_expire_visits(struct site *site, uint64_t patience_ms)
{
    expire(site, patience_ms, "the store did not take the visit in time; it was not counted");
}

void site_refuse_torn_visits(struct site *site)
{
    expire(site, UINT64_MAX,
           "what the store keeps of the site is damaged, and takes no visits until it is repaired; "
           "the visit was not counted");
}
