/* SPDX-License-Identifier: MIT */
#include "count/healing.h"

#include "base/clock.h"
#include "base/log.h"
#include "count/failing.h"
#include "count/leg.h"
#include "count/sending.h"

/* how often answered parcels that are too old are dropped */
#define FORGET_INTERVAL_MS 1000

/* --- a store that went back --- */

void healing_distrust(struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            flow_distrust(&leg_in_site(link)->flow);
        }
    }
}

void healing_distrust_elsewhere(const struct leg *leg)
{
    map_for_each(node, &leg->site->engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            if (leg_in_site(link) != leg) {
                flow_distrust(&leg_in_site(link)->flow);
                sending_wake(leg_in_site(link));
            }
        }
    }
}

void healing_note_gap(struct leg *leg, const struct ledger_gap *gap)
{
    struct engine *engine = leg->site->engine;

    known_visitors_forget(&engine->known);
    engine->stats.gaps++;
    engine->stats.lost += gap->lost_visits;
    if (gap->heal_parcels != 0) {
        log_warning("store: site %s went back in time; sending %llu visits in %llu batches again",
                    leg->flow.site, (unsigned long long)gap->heal_visits,
                    (unsigned long long)gap->heal_parcels);
    }
    if (gap->lost_parcels != 0) {
        log_error("store: site %s went back in time by more than is kept here to send again; %llu "
                  "visits in %llu batches are lost",
                  leg->flow.site, (unsigned long long)gap->lost_visits,
                  (unsigned long long)gap->lost_parcels);
    }
}

/* --- forgetting --- */

/* a leg of an earlier run goes when the store has all of it for long enough */
static void forget_in_site(struct site *site, uint64_t before_ms)
{
    struct list *link = site->legs.next;

    while (link != &site->legs) {
        struct leg *leg = leg_in_site(link);

        link = link->next;
        ledger_forget(&leg->flow.ledger, flow_may_heal(&leg->flow) ? 0 : before_ms,
                      site->engine->options.retain_max_bytes);
        if (leg != &site->live && leg != site->backlog && !flow_has_work(&leg->flow) &&
            !flow_is_busy(&leg->flow) && list_is_empty(&leg->flow.ledger.retained)) {
            leg_finish(leg);
        }
    }
}

/*
 * What was answered long enough ago is no longer kept to heal the store with. Time counts only
 * while the store is there: what it acknowledged just before it went away is what it may come back
 * without, however long it was away.
 */
static uint64_t forget_before_ms(const struct engine *engine)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t retain_ms = engine->options.retain_ms;

    if (!engine->is_available || now_ms - engine->changed_at_ms < retain_ms) {
        return 0;
    }
    return now_ms - retain_ms;
}

static void on_forget(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, forget);
    uint64_t before_ms = forget_before_ms(engine);

    map_for_each(node, &engine->sites) {
        forget_in_site(site_of(node), before_ms);
    }
    failing_forget_idle(engine);
    loop_timer_start(engine->loop, timer, FORGET_INTERVAL_MS);
}

void healing_init(struct engine *engine)
{
    loop_timer_init(&engine->forget, on_forget);
    loop_timer_start(engine->loop, &engine->forget, FORGET_INTERVAL_MS);
}

void healing_finish(struct engine *engine)
{
    loop_timer_stop(&engine->forget);
}
