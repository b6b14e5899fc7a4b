/* SPDX-License-Identifier: MIT */
#include "count/visit_timeouts.h"

#include "base/clock.h"
#include "count/breaker.h"
#include "count/spill.h"
#include "count/waiting.h"

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

static void on_expire(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, expire);
    uint64_t now_ms = loop_patience_ms(engine->loop);
    struct list *link = engine->awaited.next;

    while (link != &engine->awaited) {
        struct site *site = container_of(link, struct site, awaited);

        if (engine->journal == NULL || breaker_is_torn(site)) {
            waiting_expire(site, now_ms);
        } else if (waits_in_vain(site, now_ms)) {
            spill_waiting_visits(site);
        }
        link = link->next;
        if (!has_batches(site)) {
            list_remove(&site->awaited);
        }
    }
    if (engine->stats.waiting != 0) {
        loop_timer_start(engine->loop, &engine->expire, WAITING_INTERVAL_MS);
    }
}

void visit_timeouts_init(struct engine *engine)
{
    list_init(&engine->awaited);
    loop_timer_init(&engine->expire, on_expire);
}

void visit_timeouts_finish(struct engine *engine)
{
    loop_timer_stop(&engine->expire);
}
