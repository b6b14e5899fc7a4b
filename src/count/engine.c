/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/clock.h"
#include "count/healing.h"
#include "count/leg.h"
#include "count/outage.h"
#include "count/sending.h"
#include "count/site.h"
#include "count/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- visits --- */

static struct site *find_site(const struct engine *engine, const char *name)
{
    struct map_node *node;

    if (engine->latest != NULL && strcmp(engine->latest->name, name) == 0) {
        return engine->latest;
    }
    node = map_find(&engine->sites, name, strlen(name));
    return node != NULL ? site_of(node) : NULL;
}

struct site *engine_take_site(struct engine *engine, const char *name)
{
    struct site *site = find_site(engine, name);

    if (site != NULL) {
        return site;
    }
    site = calloc(1, sizeof(*site));
    if (site == NULL) {
        abort();
    }
    site->engine = engine;
    strncpy(site->name, name, STORE_SITE_MAX);
    list_init(&site->awaited);
    list_init(&site->legs);
    map_insert(&engine->sites, &site->node, site->name, strlen(site->name));
    leg_init(&site->live, site);
    return site;
}

/*
 * Whether the store has been of no use for longer than a visit would wait. While it is there but
 * takes nothing, one visit at a time is let through to find out when it does again.
 */
static bool is_hopeless(const struct engine *engine, uint64_t now_ms)
{
    if (!engine->is_available) {
        return now_ms - engine->changed_at_ms >= engine->options.max_wait_ms;
    }
    return engine->failing_since_ms != 0 && engine->stats.waiting != 0 &&
           now_ms - engine->failing_since_ms >= engine->options.max_wait_ms;
}

/* whether the visit may join; with a journal it may also when the store is of no use */
static int admit(struct engine *engine, struct visit *visit, uint64_t now_us, bool *ret_shelter)
{
    uint64_t now_ms = now_us / 1000;
    uint64_t lost_ms = loop_lost_ms(engine->loop); /* deadlines are by loop_patience_ms() */

    *ret_shelter = engine->journal != NULL &&
                   (outage_has_begun(engine, now_ms) || is_hopeless(engine, now_ms));
    if (engine->is_stopped) {
        return -ESHUTDOWN;
    }
    if (engine->stats.waiting >= engine->options.max_waiting) {
        return -ENOBUFS;
    }
    if (*ret_shelter) {
        visit->deadline_ms = now_ms - lost_ms;
        return journal_has_room(engine->journal) ? 0 : -ENOSPC;
    }
    if (is_hopeless(engine, now_ms)) {
        return -EHOSTDOWN;
    }
    visit->deadline_ms = engine->options.max_wait_ms - lost_ms +
                         (engine->is_available ? now_ms : engine->changed_at_ms);
    return 0;
}

int engine_visit(struct engine *engine, const char *site_name, const char *page, size_t page_length,
                 struct visit *visit)
{
    uint64_t now_us = clock_monotonic_us();
    bool shelter;
    int error = admit(engine, visit, now_us, &shelter);
    struct site *site;
    struct leg *leg;

    if (error != 0) {
        engine->stats.refused++;
        return error;
    }
    site = engine_take_site(engine, site_name);
    engine->latest = site;
    engine->stats.accepted++;
    visit->accepted_at_us = now_us;
    leg = shelter ? outage_backlog(site) : &site->live;
    leg_use(leg, now_us / 1000);
    flow_add(&leg->flow, page, page_length, visit);
    if (shelter || (!flow_is_busy(&leg->flow) && list_is_empty(&leg->queue))) {
        sending_make_ready(leg);
    }
    waiting_begin(site);
    return 0;
}

void engine_note_refused(struct engine *engine)
{
    engine->stats.refused++;
}

/* --- the engine itself --- */

static void on_store_change(struct store_listener *listener, bool available)
{
    struct engine *engine = container_of(listener, struct engine, listener);

    engine->is_available = available;
    engine->changed_at_ms = clock_monotonic_ms();
    engine->failing_since_ms = 0;
    if (available) {
        healing_distrust(engine);
    }
    sending_note_store(engine);
}

struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    struct store_health health;

    if (engine == NULL) {
        abort();
    }
    engine->loop = loop;
    engine->store = store;
    engine->options = *options;
    map_init(&engine->sites);
    map_init(&engine->estimates);
    list_init(&engine->failing);
    waiting_init(engine);
    sending_init(engine);
    healing_init(engine);
    store_health(store, &health);
    engine->is_available = health.available;
    engine->changed_at_ms = clock_monotonic_ms();
    engine->listener.on_change = on_store_change;
    store_listen(store, &engine->listener);
    return engine;
}

static void destroy_site(struct site *site)
{
    map_remove(&site->engine->sites, &site->node);
    while (!list_is_empty(&site->legs)) {
        leg_finish(leg_in_site(site->legs.next));
    }
    list_remove(&site->awaited);
    free(site);
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    engine_abandon(engine);
    store_unlisten(engine->store, &engine->listener);
    healing_finish(engine);
    sending_finish(engine);
    waiting_finish(engine);
    map_for_each(node, &engine->sites) {
        destroy_site(site_of(node));
    }
    map_finish(&engine->sites);
    known_visitors_forget(&engine->known);
    outage_finish(engine);
    free(engine);
}

void engine_use_journal(struct engine *engine, struct journal *journal)
{
    engine->journal = journal;
}

struct journal_entry *engine_restore(void *engine, struct journal_record *record)
{
    return outage_restore(engine, record);
}

bool engine_can_journal(const struct engine *engine)
{
    return engine->journal != NULL && journal_has_room(engine->journal);
}

const struct journal_status *engine_journal_status(const struct engine *engine)
{
    return engine->journal != NULL ? journal_status(engine->journal) : NULL;
}

void engine_configure(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
}

void engine_forget_visitors(struct engine *engine)
{
    known_visitors_forget(&engine->known);
}

uint64_t engine_retained_bytes(const struct engine *engine)
{
    uint64_t bytes = 0;

    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            bytes += leg_in_site(link)->flow.ledger.retained_bytes;
        }
    }
    return bytes;
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

bool engine_is_healing(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            if (flow_may_heal(&leg_in_site(link)->flow)) {
                return true;
            }
        }
    }
    return false;
}

/* whether nothing of a site would be lost if the process ended now: what heals is only here */
static bool is_safe(const struct site *site)
{
    list_for_each(link, &site->legs) {
        const struct leg *leg = leg_in_site(link);

        if (flow_may_heal(&leg->flow) || !outage_is_safe(leg)) {
            return false;
        }
    }
    return true;
}

bool engine_is_idle(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        if (!is_safe(site_of(node))) {
            return false;
        }
    }
    return engine->stats.waiting == 0;
}

void engine_abandon(struct engine *engine)
{
    engine_stop(engine);
    map_for_each(node, &engine->sites) {
        waiting_expire(site_of(node), UINT64_MAX);
    }
}

const struct stats *engine_stats(const struct engine *engine)
{
    return &engine->stats;
}
