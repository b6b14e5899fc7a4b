/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "count/breaker.h"
#include "count/dispatcher.h"
#include "count/stall.h"
#include "count/resend.h"
#include "count/lane.h"
#include "count/spill.h"
#include "count/outcome.h"
#include "count/outdated.h"
#include "count/sending.h"
#include "count/site.h"
#include "count/visit_timeouts.h"
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

static struct site *create_site(struct engine *engine, const char *name)
{
    struct site *site = alloc_zero(1, sizeof(*site));

    site->engine = engine;
    strncpy(site->name, name, STORE_SITE_MAX);
    list_init(&site->awaited);
    list_init(&site->unwritten);
    list_init(&site->torn);
    list_init(&site->lanes);
    site->old_version.until_ms = UINT64_MAX;
    map_insert(&engine->sites, &site->node, site->name, strlen(site->name));
    lane_init(&site->live, site);
    return site;
}

static struct site *find_or_create_site(struct engine *engine, const char *name)
{
    struct site *site = find_site(engine, name);

    return site != NULL ? site : create_site(engine, name);
}

/*
 * Whether one more visit of a site may wait. With several sites, one site may have at most seven
 * times as many waiting visits as there are free places. So a single site gets seven eighths of all
 * places. Some places are left for the others, however many sites are refused.
 */
static bool has_place(const struct engine *engine, const struct site *site)
{
    uint64_t max_waiting = engine->options.max_waiting;

    if (engine->stats.waiting >= max_waiting) {
        return false;
    }
    return !engine->options.has_many_sites || site == NULL || site->waiting == 0 ||
           site->waiting + 1 <= 7 * (max_waiting - engine->stats.waiting - 1);
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
    bool is_open;

    *ret_spills = false;
    if (engine->is_stopped) {
        return -ESHUTDOWN;
    }
    if (!has_place(engine, site)) {
        return -ENOBUFS;
    }
    if (breaker_is_closed(engine, site)) {
        visit->deadline_ms = now_ms + engine->options.max_wait_ms - lost_ms;
        return 0;
    }
    is_open = breaker_is_open(engine, site, now_ms);
    *ret_spills = engine->journal != NULL && (is_open || spill_has_begun(engine, now_ms)) &&
                  !(site != NULL && breaker_is_torn(site));
    if (*ret_spills) {
        visit->deadline_ms = now_ms - lost_ms;
        return journal_has_room(engine->journal) ? 0 : -ENOSPC;
    }
    if (is_open) {
        return -EHOSTDOWN;
    }
    visit->deadline_ms = breaker_deadline_ms(engine, site, now_ms) - lost_ms;
    return 0;
}

int engine_visit(struct engine *engine, const char *site_name, const char *page, size_t page_length,
                 struct visit *visit)
{
    uint64_t now_us = clock_monotonic_us();
    struct site *site = find_site(engine, site_name);
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
        sending_write_soon(site);
    } else if (!session_is_busy(&lane->session)) {
        sending_make_ready(lane);
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
    engine->changed_lost_ms = loop_lost_ms(engine->loop);
    breaker_note_store(engine);
    if (available) {
        resend_require_check(engine);
    }
    sending_note_store(engine);
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
    map_init(&engine->estimates);
    list_init(&engine->stalls);
    list_init(&engine->torn);
    engine->session_events = &outcome_events;
    visit_timeouts_init(engine);
    dispatcher_init(engine);
    resend_init(engine);
    store_health(store, &health);
    engine->is_available = health.available;
    engine->changed_at_ms = clock_monotonic_ms();
    engine->changed_lost_ms = loop_lost_ms(engine->loop);
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
    list_remove(&site->awaited);
    list_remove(&site->unwritten);
    breaker_end_torn(site);
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
    dispatcher_finish(engine);
    visit_timeouts_finish(engine);
    map_for_each(node, &engine->sites) {
        destroy_site(site_of(node));
    }
    map_finish(&engine->sites);
    known_visitors_forget(&engine->known);
    spill_finish(engine);
    free(engine);
}

void engine_use_journal(struct engine *engine, struct journal *journal)
{
    engine->journal = journal;
}

struct journal_entry *engine_restore(void *engine, struct journal_record *record)
{
    struct site *site = find_or_create_site(engine, record->site);
    struct lane *lane = lane_find_or_create(site, record->epoch);

    outdated_note_generation(site, lane->session.ledger.generation);
    return spill_restore(lane, record);
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
        list_for_each(link, &site_of(node)->lanes) {
            bytes += lane_in_site(link)->session.ledger.retained_bytes;
        }
    }
    return bytes;
}

uint64_t engine_torn_count(const struct engine *engine)
{
    return engine->torn_sites;
}

void engine_list_torn(const struct engine *engine, void (*on_site)(void *data, const char *site),
                      void *data)
{
    list_for_each(link, &engine->torn) {
        on_site(data, container_of(link, struct site, torn)->name);
    }
}

bool engine_serves(const struct engine *engine, const char *name)
{
    const struct site *site = name != NULL ? find_site(engine, name) : NULL;
    bool is_torn = site != NULL && breaker_is_torn(site);
    bool is_refused = !engine->is_available || stall_is_known(engine, site);

    return !is_refused || (engine_can_journal(engine) && !is_torn);
}

bool engine_longest_stall(const struct engine *engine, struct engine_stall *ret_stall)
{
    return stall_find_longest(engine, ret_stall);
}

bool engine_has_counted(const struct engine *engine, const char *name)
{
    const struct site *site = find_site(engine, name);

    return site != NULL && site->old_version.until_ms != UINT64_MAX;
}

void engine_doubts(const struct engine *engine, const char *name, struct engine_doubts *ret_doubts)
{
    const struct site *site = find_site(engine, name);

    *ret_doubts = (struct engine_doubts){0};
    if (site != NULL) {
        outdated_count_doubts(site, ret_doubts);
    }
}

void engine_note_repair(struct engine *engine, const char *name, uint64_t generation)
{
    struct site *site = find_site(engine, name);

    if (site != NULL) {
        outdated_note_repair(site, generation);
    }
}

void engine_list_unproven(const struct engine *engine,
                          void (*on_site)(void *data, const char *site), void *data)
{
    outdated_list_unproven(engine, on_site, data);
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

bool engine_is_resending(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            if (session_may_resend(&lane_in_site(link)->session)) {
                return true;
            }
        }
    }
    return false;
}

/* whether the site would lose nothing if the process ended now; a resend exists only in memory */
static bool is_safe(const struct site *site)
{
    list_for_each(link, &site->lanes) {
        const struct lane *lane = lane_in_site(link);

        if (session_may_resend(&lane->session) || !spill_is_safe(lane)) {
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
