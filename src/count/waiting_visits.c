/* SPDX-License-Identifier: MIT */
#include "count/waiting_visits.h"

#include "base/clock.h"
#include "base/require.h"

/* how often the visits that wait are looked at */
#define LOOK_INTERVAL_MS 50

/*
 * Keeps the loop awake for the event that follows a lone visit: the store's answer, or the client's
 * next visit. With more visits under way this costs more than it saves (a third at 16 connections).
 */
static void stay_awake(struct waiting_visits *waiting)
{
    if (waiting->stats->waiting <= 1) {
        loop_stay_awake(waiting->loop, waiting->options->busy_poll_us);
    }
}

/* --- counting --- */

bool waiting_visits_have_room(const struct waiting_visits *waiting, const struct site_visits *site)
{
    uint64_t max_waiting = waiting->options->max_waiting;
    uint64_t count = waiting->stats->waiting;

    if (count >= max_waiting) {
        return false;
    }
    return !waiting->options->has_many_sites || site == NULL || site->count == 0 ||
           site->count + 1 <= 7 * (max_waiting - count - 1);
}

void waiting_visits_begin(struct site_visits *site)
{
    struct waiting_visits *all = site->all;

    all->stats->waiting++;
    site->count++;
    all->apart += site->is_apart ? 1 : 0;
    stay_awake(all);
    if (list_is_empty(&site->link)) {
        list_append(&all->sites, &site->link);
    }
    if (!loop_timer_is_active(&all->timer)) {
        loop_timer_start(all->loop, &all->timer, LOOK_INTERVAL_MS);
    }
}

void waiting_visits_end(struct site_visits *site)
{
    struct waiting_visits *all = site->all;

    require(site->count != 0);
    require(all->stats->waiting >= site->count);
    require(!site->is_apart || all->apart != 0);
    all->stats->waiting--;
    site->count--;
    all->apart -= site->is_apart ? 1 : 0;
}

void waiting_visits_set_apart(struct site_visits *site, bool is_apart)
{
    if (is_apart && !site->is_apart) {
        site->all->apart += site->count;
    } else if (!is_apart && site->is_apart) {
        require(site->all->apart >= site->count);
        site->all->apart -= site->count;
    }
    site->is_apart = is_apart;
}

/* --- answers --- */

void waiting_visits_answer(struct site_visits *site, struct visit *visit,
                           const struct visit_answer *answer)
{
    struct stats *stats = site->all->stats;
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
    stay_awake(site->all);
    visit->on_answer(visit, answer);
}

void waiting_visits_answer_uncounted(struct site_visits *site, struct list *visits,
                                     enum visit_status status, const char *reason)
{
    struct stats *stats = site->all->stats;
    struct visit_answer answer = {.status = status, .uniques = STORE_NONE, .reason = reason};
    struct list *link;

    require(status == VISIT_REFUSED || status == VISIT_UNKNOWN);
    while ((link = list_pop_first(visits)) != NULL) {
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

/* --- visits that wait for long --- */

static void on_timer(struct loop_timer *timer)
{
    struct waiting_visits *waiting = container_of(timer, struct waiting_visits, timer);
    uint64_t patience_ms = loop_patience_ms(waiting->loop);
    struct list *link = waiting->sites.next;

    while (link != &waiting->sites) {
        struct site_visits *site = container_of(link, struct site_visits, link);
        bool may_wait = waiting->on_look(site, patience_ms);

        link = link->next;
        if (!may_wait) {
            list_remove(&site->link);
        }
    }
    if (waiting->stats->waiting != 0) {
        loop_timer_start(waiting->loop, &waiting->timer, LOOK_INTERVAL_MS);
    }
}

void waiting_visits_init(struct waiting_visits *waiting, struct loop *loop,
                         const struct engine_options *options, struct stats *stats,
                         waiting_visits_on_look on_look)
{
    require(on_look != NULL);
    *waiting = (struct waiting_visits){
        .loop = loop, .options = options, .stats = stats, .on_look = on_look};
    list_init(&waiting->sites);
    loop_timer_init(&waiting->timer, on_timer);
}

void waiting_visits_finish(struct waiting_visits *waiting)
{
    require(waiting->stats->waiting == 0);
    require(waiting->apart == 0);
    require(list_is_empty(&waiting->sites));
    loop_timer_stop(&waiting->timer);
}

void waiting_visits_init_site(struct site_visits *site, struct waiting_visits *all)
{
    *site = (struct site_visits){.all = all};
    list_init(&site->link);
}

void waiting_visits_finish_site(struct site_visits *site)
{
    require(site->count == 0);
    list_remove(&site->link);
}
