/* SPDX-License-Identifier: MIT */
#include "count/waiting_visits.h"

#include "base/clock.h"
#include "base/require.h"

/*
 * Keeps the loop awake for the event that follows a lone visit: the store's answer, or the client's
 * next visit. With more visits under way this costs more than it saves (a third at 16 connections).
 */
static void stay_awake(struct engine *engine)
{
    if (engine->stats.waiting <= 1) {
        loop_stay_awake(engine->loop, engine->options.busy_poll_us);
    }
}

/* --- answers --- */

void waiting_visits_end(struct site *site)
{
    struct engine *engine = site->engine;

    require(engine->stats.waiting != 0);
    require(site->waiting != 0);
    require(!site->is_refused || engine->refused_waiting != 0);
    engine->stats.waiting--;
    site->waiting--;
    engine->refused_waiting -= site->is_refused ? 1 : 0;
}

void waiting_visits_answer(struct site *site, struct visit *visit,
                           const struct visit_answer *answer)
{
    struct engine *engine = site->engine;
    struct stats *stats = &engine->stats;
    uint64_t now_us = clock_monotonic_us();

    stats_add_latency(stats, now_us - visit->accepted_at_us);
    if (answer->status == VISIT_COUNTED) {
        stats_add_applied(stats, 1, now_us / 1000);
    } else if (answer->status == VISIT_DUPLICATE) {
        stats->duplicate_visits++;
    } else {
        stats->refused++;
    }
    stats->unconfirmed += answer->replicas < answer->replicas_wanted ? 1 : 0;
    waiting_visits_end(site);
    stay_awake(engine);
    visit->on_answer(visit, answer);
}

void waiting_visits_answer_uncounted(struct site *site, struct list *visits,
                                     enum visit_status status, const char *reason)
{
    struct stats *stats = &site->engine->stats;
    struct visit_answer answer = {.status = status, .uniques = STORE_NONE, .reason = reason};
    struct list *link;

    while ((link = list_take_first(visits)) != NULL) {
        struct visit *visit = container_of(link, struct visit, link);

        waiting_visits_end(site);
        if (status == VISIT_REFUSED) {
            stats->refused++;
        } else {
            stats->unknown++;
        }
        visit->on_answer(visit, &answer);
    }
}

/* --- timeouts --- */

static void expire(struct site *site, uint64_t now_ms, const char *why_refused)
{
    struct list refused;
    struct list unknown;

    list_init(&refused);
    list_init(&unknown);
    list_for_each(link, &site->lanes) {
        session_expire(&lane_in_site(link)->session, now_ms, &refused, &unknown);
    }
    waiting_visits_answer_uncounted(site, &refused, VISIT_REFUSED, why_refused);
    waiting_visits_answer_uncounted(site, &unknown, VISIT_UNKNOWN,
                                    "the store did not confirm the visit in time; it may have been "
                                    "counted");
}

void waiting_visits_expire(struct site *site, uint64_t now_ms)
{
    expire(site, now_ms, "the store did not take the visit in time; it was not counted");
}

void waiting_visits_refuse_torn(struct site *site)
{
    expire(site, UINT64_MAX,
           "what the store keeps of the site is damaged, and takes no visits until it is repaired; "
           "the visit was not counted");
}

void waiting_visits_begin(struct site *site)
{
    struct engine *engine = site->engine;

    engine->stats.waiting++;
    site->waiting++;
    engine->refused_waiting += site->is_refused ? 1 : 0;
    stay_awake(engine);
    if (list_is_empty(&site->awaited)) {
        list_append(&engine->awaited, &site->awaited);
    }
    if (!loop_timer_is_active(&engine->expire)) {
        loop_timer_start(engine->loop, &engine->expire, WAITING_INTERVAL_MS);
    }
}
