/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/require.h"
#include "count/engine_inside.h"
#include "count/outdated.h"
#include "count/resend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* how often old batches, lanes and stalls are dropped */
#define TIDY_INTERVAL_MS 1000

/* --- visits --- */

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
    *ret_spills = spill_has_journal(&engine->spill) &&
                  (is_open || spill_has_begun(&engine->spill, now_ms)) &&
                  !(breaker != NULL && breaker_is_torn(breaker));
    if (*ret_spills) {
        visit->deadline_ms = now_ms - lost_ms;
        return spill_has_room(&engine->spill) ? 0 : -ENOSPC;
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
    struct site *site = site_find(&engine->sites, site_name);
    bool spills;
    int error = admit(engine, site, visit, now_us / 1000, &spills);
    struct lane *lane;

    require(visit->on_answer != NULL);
    if (error != 0) {
        engine->stats.refused++;
        return error;
    }
    if (site == NULL) {
        site = site_find_or_create(&engine->sites, site_name);
    }
    site_use(site);
    engine->stats.accepted++;
    visit->accepted_at_us = now_us;
    lane = spills ? site_find_or_create_backlog(site) : &site->live;
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
static void send_lane(struct engine *engine, struct lane *lane)
{
    if (!breaker_is_available(&engine->breaker)) {
        if (spill_has_begun(&engine->spill, clock_monotonic_ms())) {
            spill_waiting_visits(&engine->spill, lane->site);
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
    while ((lane = dispatcher_pop_unwritten(dispatcher)) != NULL) {
        spill_write_next(&engine->spill, container_of(lane, struct lane, dispatch)->site);
    }
    while ((lane = dispatcher_pop_ready(dispatcher)) != NULL) {
        send_lane(engine, container_of(lane, struct lane, dispatch));
    }
}

/* --- visits that the store did not answer in time --- */

/* whether visits of a site that wait for the store have to go to the journal instead */
static bool waits_in_vain(const struct spill *spill, const struct site *site, uint64_t patience_ms)
{
    return session_is_overdue(&site->live.session, patience_ms) ||
           (spill_has_begun(spill, clock_monotonic_ms()) &&
            !list_is_empty(&site->live.session.batches));
}

static bool on_look(struct site_visits *visits, uint64_t patience_ms)
{
    struct site *site = container_of(visits, struct site, visits);
    struct engine *engine = container_of(site->table, struct engine, sites);

    if (!spill_has_journal(&engine->spill) || breaker_is_torn(&site->breaker)) {
        site_expire_visits(site, patience_ms);
    } else if (waits_in_vain(&engine->spill, site, patience_ms)) {
        spill_waiting_visits(&engine->spill, site);
    }
    return site_has_batches(site);
}

/* --- the engine itself --- */

static void on_store_change(struct store_listener *listener, bool available)
{
    struct engine *engine = container_of(listener, struct engine, listener);

    breaker_note_store(&engine->breaker, available);
    if (available) {
        resend_require_check(&engine->sites);
    }
    dispatcher_note_store(&engine->dispatcher);
    map_for_each(node, &engine->sites.map) {
        list_for_each(link, &site_of(node)->lanes) {
            dispatcher_note_store_of(&lane_in_site(link)->dispatch);
        }
    }
}

/* drops old answered batches, and lanes and stalls that have no work left */
static void on_tidy(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, tidy);

    retention_forget(&engine->retention);
    map_for_each(node, &engine->sites.map) {
        site_finish_idle_lanes(site_of(node));
    }
    stall_forget_idle(&engine->stalls);
    loop_timer_start(engine->loop, timer, TIDY_INTERVAL_MS);
}

/* initialises the parts, each after those that it stands on */
static void init_parts(struct engine *engine)
{
    const struct engine_options *options = &engine->options;
    struct store_health health;

    store_health(engine->store, &health);
    waiting_visits_init(&engine->waiting, engine->loop, options, &engine->stats, on_look);
    breaker_init(&engine->breaker, engine->loop, options, &engine->waiting, health.available);
    stall_init(&engine->stalls, &engine->breaker, &engine->waiting);
    retention_init(&engine->retention, engine->store, options, &engine->breaker, &engine->stats);
    dispatcher_init(&engine->dispatcher, engine->loop, options, &engine->breaker, on_flush);
    site_table_init(&engine->sites, &(struct site_parts){.store = engine->store,
                                                         .options = options,
                                                         .events = &engine->outcome.events,
                                                         .stats = &engine->stats,
                                                         .known = &engine->known,
                                                         .waiting = &engine->waiting,
                                                         .breaker = &engine->breaker,
                                                         .stalls = &engine->stalls,
                                                         .dispatcher = &engine->dispatcher,
                                                         .retention = &engine->retention});
    spill_init(&engine->spill, options, &engine->breaker, &engine->stats);
    outcome_init(&engine->outcome, &engine->sites.parts, &engine->spill);
}

/* ends them in the reverse order */
static void finish_parts(struct engine *engine)
{
    spill_finish(&engine->spill);
    site_table_finish(&engine->sites);
    dispatcher_finish(&engine->dispatcher);
    retention_finish(&engine->retention);
    stall_finish(&engine->stalls);
    breaker_finish(&engine->breaker);
    waiting_visits_finish(&engine->waiting);
}

struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options)
{
    struct engine *engine = alloc_zero(1, sizeof(*engine));

    engine->loop = loop;
    engine->store = store;
    engine->options = *options;
    init_parts(engine);
    loop_timer_init(&engine->tidy, on_tidy);
    loop_timer_start(loop, &engine->tidy, TIDY_INTERVAL_MS);
    engine->listener.on_change = on_store_change;
    store_listen(store, &engine->listener);
    return engine;
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    engine_abandon(engine);
    store_unlisten(engine->store, &engine->listener);
    loop_timer_stop(&engine->tidy);
    finish_parts(engine);
    known_visitors_forget(&engine->known);
    free(engine);
}

void engine_use_journal(struct engine *engine, struct journal *journal)
{
    require(journal == NULL || engine->stats.accepted == 0);
    spill_use_journal(&engine->spill, journal);
    stall_use_journal(&engine->stalls, journal);
}

struct journal_entry *engine_restore(void *data, struct journal_record *record)
{
    struct engine *engine = data;
    struct site *site = site_find_or_create(&engine->sites, record->site);
    struct lane *lane = lane_find_or_create(site, record->epoch);

    outdated_note_generation(&engine->spill, site, lane->session.ledger.generation);
    return spill_restore(&engine->spill, lane, record);
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
    struct site *site = site_find(&engine->sites, name);

    if (site != NULL) {
        outdated_note_repair(&engine->spill, site, generation);
    }
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

void engine_abandon(struct engine *engine)
{
    engine_stop(engine);
    map_for_each(node, &engine->sites.map) {
        site_expire_visits(site_of(node), UINT64_MAX);
    }
}
