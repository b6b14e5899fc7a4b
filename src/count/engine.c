/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "count/resend.h"
#include "count/lane.h"
#include "count/spill.h"
#include "count/outcome.h"
#include "count/outdated.h"
#include "count/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- visits --- */

static struct site *create_site(struct engine *engine, const char *name)
{
    struct site *site = alloc_zero(1, sizeof(*site));

    site->engine = engine;
    strncpy(site->name, name, STORE_SITE_MAX);
    waiting_visits_init_site(&site->visits, &engine->waiting);
    stall_init_site(&site->stalls, &engine->stalls, &site->breaker);
    breaker_init_site(&site->breaker, &engine->breaker, &site->visits, site->name);
    list_init(&site->lanes);
    site->old_version.until_ms = UINT64_MAX;
    map_insert(&engine->sites, &site->node, site->name, strlen(site->name));
    lane_init(&site->live, site);
    return site;
}

static struct site *find_or_create_site(struct engine *engine, const char *name)
{
    struct site *site = site_find(engine, name);

    return site != NULL ? site : create_site(engine, name);
}

/*
 * Decides whether a visit is admitted. Returns 0 or the error of engine_visit(). `*ret_spills`
 * tells that the visit goes to the journal. `site` is NULL if it is not known yet. Visits of a torn
 * site do not go to the journal, because it is not certain that they could be counted.
 */
static int admit(const struct engine *engine, const struct site *site, struct visit *visit,
                 uint64_t now_ms, bool *ret_spills)
{
    uint64_t lost_ms = loop_lost_ms(engine->loop); /* deadlines are by loop_patience_ms() */
    const struct site_breaker *breaker = site != NULL ? &site->breaker : NULL;
    bool is_open;

    *ret_spills = false;
    if (engine->is_stopped) {
        return -ESHUTDOWN;
    }
    if (!waiting_visits_have_room(&engine->waiting, site != NULL ? &site->visits : NULL)) {
        return -ENOBUFS;
    }
    if (breaker_is_closed(&engine->breaker, breaker)) {
        visit->deadline_ms = now_ms + engine->options.max_wait_ms - lost_ms;
        return 0;
    }
    is_open = breaker_is_open(&engine->breaker, breaker, now_ms);
    *ret_spills = engine->journal != NULL && (is_open || spill_has_begun(engine, now_ms)) &&
                  !(breaker != NULL && breaker_is_torn(breaker));
    if (*ret_spills) {
        visit->deadline_ms = now_ms - lost_ms;
        return journal_has_room(engine->journal) ? 0 : -ENOSPC;
    }
    if (is_open) {
        return -EHOSTDOWN;
    }
    visit->deadline_ms = breaker_deadline_ms(&engine->breaker, breaker, now_ms) - lost_ms;
    return 0;
}

int engine_visit(struct engine *engine, const char *site_name, const char *page, size_t page_length,
                 struct visit *visit)
{
    uint64_t now_us = clock_monotonic_us();
    struct site *site = site_find(engine, site_name);
    bool spills;
    int error = admit(engine, site, visit, now_us / 1000, &spills);
    struct lane *lane;

    if (error != 0) {
        engine->stats.refused++;
        return error;
    }
    if (site == NULL) {
        site = create_site(engine, site_name);
    }
    engine->latest = site;
    engine->stats.accepted++;
    visit->accepted_at_us = now_us;
    lane = spills ? spill_backlog(site) : &site->live;
    lane_use(lane, now_us / 1000);
    session_add(&lane->session, page, page_length, visit);
    if (spills) {
        dispatcher_write_soon(&lane->dispatch);
    } else if (!session_is_busy(&lane->session)) {
        dispatcher_make_ready(&lane->dispatch);
    }
    waiting_visits_begin(&site->visits);
    return 0;
}

void engine_note_refused(struct engine *engine)
{
    engine->stats.refused++;
}

/* --- the end of a turn --- */

/* sends a ready lane, or lets it rest if it cannot send now */
static void send_lane(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    if (!breaker_is_available(&engine->breaker)) {
        if (spill_has_begun(engine, clock_monotonic_ms())) {
            spill_waiting_visits(lane->site);
        }
        dispatcher_rest(&lane->dispatch);
        return;
    }
    if (dispatcher_is_delayed(&lane->dispatch)) {
        dispatcher_release_probe(&lane->dispatch);
        return; /* the timer makes it ready again */
    }
    if (!dispatcher_may_send(&lane->dispatch)) {
        dispatcher_rest(&lane->dispatch);
        return;
    }
    if (spill_may_send(lane)) {
        session_send(&lane->session);
    }
    if (!session_is_busy(&lane->session)) {
        dispatcher_release_probe(&lane->dispatch);
    }
}

/* writes what has to go to the journal, and sends the ready lanes */
static void on_flush(struct loop_task *task)
{
    struct dispatcher *dispatcher = container_of(task, struct dispatcher, flush);
    struct engine *engine = container_of(dispatcher, struct engine, dispatcher);
    struct dispatcher_lane *lane;

    if (dispatcher_gathers(dispatcher, engine->stats.waiting)) {
        return;
    }
    while ((lane = dispatcher_take_unwritten(dispatcher)) != NULL) {
        spill_write_next(container_of(lane, struct lane, dispatch)->site);
    }
    while ((lane = dispatcher_take_ready(dispatcher)) != NULL) {
        send_lane(container_of(lane, struct lane, dispatch));
    }
}

/* --- visits that the store did not answer in time --- */

static bool has_batches(const struct site *site)
{
    list_for_each(link, &site->lanes) {
        if (!list_is_empty(&lane_in_site(link)->session.batches)) {
            return true;
        }
    }
    return false;
}

/* whether visits of a site that wait for the store have to go to the journal instead */
static bool waits_in_vain(const struct site *site, uint64_t patience_ms)
{
    return session_is_overdue(&site->live.session, patience_ms) ||
           (spill_has_begun(site->engine, clock_monotonic_ms()) &&
            !list_is_empty(&site->live.session.batches));
}

static bool on_look(struct site_visits *visits, uint64_t patience_ms)
{
    struct site *site = container_of(visits, struct site, visits);

    if (site->engine->journal == NULL || breaker_is_torn(&site->breaker)) {
        lane_expire_visits(site, patience_ms);
    } else if (waits_in_vain(site, patience_ms)) {
        spill_waiting_visits(site);
    }
    return has_batches(site);
}

/* --- the engine itself --- */

static void on_store_change(struct store_listener *listener, bool available)
{
    struct engine *engine = container_of(listener, struct engine, listener);

    breaker_note_store(&engine->breaker, available);
    if (available) {
        resend_require_check(engine);
    }
    dispatcher_note_store(&engine->dispatcher);
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            dispatcher_note_store_of(&lane_in_site(link)->dispatch);
        }
    }
}

struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options)
{
    struct engine *engine = alloc_zero(1, sizeof(*engine));
    struct store_health health;

    engine->loop = loop;
    engine->store = store;
    engine->options = *options;
    map_init(&engine->sites);
    estimates_init(&engine->estimates);
    stall_init(&engine->stalls, &engine->breaker, &engine->waiting);
    engine->session_events = &outcome_events;
    waiting_visits_init(&engine->waiting, loop, &engine->options, &engine->stats, on_look);
    resend_init(engine);
    store_health(store, &health);
    breaker_init(&engine->breaker, loop, &engine->options, &engine->waiting, health.available);
    dispatcher_init(&engine->dispatcher, loop, &engine->options, &engine->breaker, on_flush);
    engine->listener.on_change = on_store_change;
    store_listen(store, &engine->listener);
    return engine;
}

static void destroy_site(struct site *site)
{
    map_remove(&site->engine->sites, &site->node);
    while (!list_is_empty(&site->lanes)) {
        lane_finish(lane_in_site(site->lanes.next));
    }
    breaker_finish_site(&site->breaker);
    waiting_visits_finish_site(&site->visits);
    free(site);
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    engine_abandon(engine);
    store_unlisten(engine->store, &engine->listener);
    resend_finish(engine);
    dispatcher_finish(&engine->dispatcher);
    waiting_visits_finish(&engine->waiting);
    map_for_each(node, &engine->sites) {
        destroy_site(site_of(node));
    }
    map_finish(&engine->sites);
    known_visitors_forget(&engine->known);
    estimates_finish(&engine->estimates);
    free(engine);
}

void engine_use_journal(struct engine *engine, struct journal *journal)
{
    engine->journal = journal;
    stall_use_journal(&engine->stalls, journal);
}

struct journal_entry *engine_restore(void *engine, struct journal_record *record)
{
    struct site *site = find_or_create_site(engine, record->site);
    struct lane *lane = lane_find_or_create(site, record->epoch);

    outdated_note_generation(site, lane->session.ledger.generation);
    return spill_restore(lane, record);
}

void engine_configure(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
}

void engine_forget_visitors(struct engine *engine)
{
    known_visitors_forget(&engine->known);
}

void engine_note_repair(struct engine *engine, const char *name, uint64_t generation)
{
    struct site *site = site_find(engine, name);

    if (site != NULL) {
        outdated_note_repair(site, generation);
    }
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

void engine_abandon(struct engine *engine)
{
    engine_stop(engine);
    map_for_each(node, &engine->sites) {
        lane_expire_visits(site_of(node), UINT64_MAX);
    }
}
