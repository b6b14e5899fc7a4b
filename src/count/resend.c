/* SPDX-License-Identifier: MIT */
#include "count/resend.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "count/lane.h"

/* how often old answered sealed batches are dropped */
#define FORGET_INTERVAL_MS 1000

/* how often a site's lack of room is logged */
#define SAY_INTERVAL_MS 60000

/* --- a store that went back in time --- */

void resend_require_check(struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            session_require_check(&lane_in_site(link)->session);
        }
    }
}

void resend_require_check_elsewhere(const struct lane *lane)
{
    map_for_each(node, &lane->site->engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            if (lane_in_site(link) != lane) {
                session_require_check(&lane_in_site(link)->session);
                dispatcher_wake(&lane_in_site(link)->dispatch);
            }
        }
    }
}

void resend_note_gap(struct lane *lane, const struct ledger_gap *gap)
{
    struct engine *engine = lane->site->engine;

    known_visitors_forget(&engine->known);
    engine->stats.gaps++;
    engine->stats.lost += gap->lost_visits;
    if (gap->resend_batches != 0) {
        log_warning("store: site %s went back in time; sending %llu visits in %llu batches again",
                    lane->session.site, (unsigned long long)gap->resend_visits,
                    (unsigned long long)gap->resend_batches);
    }
    if (gap->lost_batches != 0) {
        log_error("store: site %s went back in time by more than is kept here to send again; %llu "
                  "visits in %llu batches are lost",
                  lane->session.site, (unsigned long long)gap->lost_visits,
                  (unsigned long long)gap->lost_batches);
    }
}

/* --- dropping answered batches --- */

static void say_unprotected(struct site *site, uint64_t max_bytes, uint64_t now_ms)
{
    const struct engine_options *options = &site->engine->options;
    char size[UNITS_TEXT_MAX];
    bool is_total = max_bytes < options->retain_max_bytes;
    const char *name = is_total ? "ledger.retain_total" : "ledger.retain_max";

    if (site->unprotected == 0 || (site->unprotected_said_at_ms != 0 &&
                                   now_ms - site->unprotected_said_at_ms < SAY_INTERVAL_MS)) {
        return;
    }
    log_warning(
        "store: site %s: %s, %s, is reached: %llu visits that were counted "
        "are no longer kept here, and are lost if the store comes back without them; a "
        "larger %s keeps more",
        site->name, name,
        units_format_size(is_total ? options->retain_total_bytes : options->retain_max_bytes, size),
        (unsigned long long)site->unprotected, name);
    site->unprotected = 0;
    site->unprotected_said_at_ms = now_ms;
}

/* the memory that retained batches would take if each lane had at most `max_bytes` */
static uint64_t retained_bytes_with(const struct engine *engine, uint64_t max_bytes)
{
    uint64_t total = 0;

    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            uint64_t bytes = lane_in_site(link)->session.ledger.retained_bytes;

            total += bytes < max_bytes ? bytes : max_bytes;
        }
    }
    return total;
}

/*
 * Returns the limit of a lane: retain_max_bytes, or less if all lanes together would exceed
 * retain_total_bytes. So the lanes that take most memory lose batches, and small ones lose none.
 */
static uint64_t lane_max_bytes(const struct engine *engine)
{
    uint64_t total = engine->options.retain_total_bytes;
    uint64_t most = engine->options.retain_max_bytes;
    uint64_t least = 0;

    if (total == 0 || retained_bytes_with(engine, most) <= total) {
        return most;
    }
    while (most - least > 1) {
        uint64_t middle = least + (most - least) / 2;

        if (retained_bytes_with(engine, middle) <= total) {
            least = middle;
        } else {
            most = middle;
        }
    }
    return least;
}

static void forget_in_lane(struct lane *lane, uint64_t before_ms, uint64_t max_bytes)
{
    struct site *site = lane->site;
    uint64_t unprotected = ledger_forget(
        &lane->session.ledger, session_may_resend(&lane->session) ? 0 : before_ms, max_bytes);

    site->unprotected += unprotected;
    site->engine->stats.unprotected += unprotected;
}

/* also frees a lane of an earlier run that has no work and no retained batches left */
static void forget_in_site(struct site *site, uint64_t before_ms, uint64_t max_bytes)
{
    struct list *link = site->lanes.next;

    while (link != &site->lanes) {
        struct lane *lane = lane_in_site(link);

        link = link->next;
        forget_in_lane(lane, before_ms, max_bytes);
        if (lane != &site->live && lane != site->backlog && !session_has_work(&lane->session) &&
            !session_is_busy(&lane->session) && list_is_empty(&lane->session.ledger.retained)) {
            lane_finish(lane);
        }
    }
}

/*
 * Returns the time before which answered batches are dropped: they are old enough and on all
 * replicas.
 *
 * Time does not count while the store is away or refuses visits. It may come back without its last
 * acknowledgements, or fail over to a replica that lacks them, however long that takes.
 */
static uint64_t forget_before_ms(const struct engine *engine, uint64_t now_ms)
{
    uint64_t retain_ms = engine->options.retain_ms;
    struct store_health health;

    if (!breaker_has_worked_for(&engine->breaker, now_ms, retain_ms)) {
        return 0;
    }
    store_health(engine->store, &health);
    return now_ms - retain_ms < health.replicated_before_ms ? now_ms - retain_ms
                                                            : health.replicated_before_ms;
}

/*
 * Returns the time before which retained batches are dropped in any case. The store may have
 * forgotten their epoch, and its position would look like a loss.
 */
static uint64_t swept_before_ms(const struct engine *engine, uint64_t now_ms)
{
    uint64_t unused_ms = engine->options.ledger_ttl_ms / 2;

    return now_ms > unused_ms ? now_ms - unused_ms : 0;
}

static void on_forget(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, forget);
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t before_ms = forget_before_ms(engine, now_ms);
    uint64_t swept_ms = swept_before_ms(engine, now_ms);
    uint64_t retain_ms = engine->options.retain_ms;
    uint64_t max_bytes = lane_max_bytes(engine);

    map_for_each(node, &engine->sites) {
        struct site *site = site_of(node);
        uint64_t site_ms =
            breaker_has_site_worked_for(&site->breaker, now_ms, retain_ms) ? before_ms : 0;

        forget_in_site(site, site_ms > swept_ms ? site_ms : swept_ms, max_bytes);
        say_unprotected(site, max_bytes, now_ms);
    }
    stall_forget_idle(&engine->stalls);
    loop_timer_start(engine->loop, timer, FORGET_INTERVAL_MS);
}

void resend_init(struct engine *engine)
{
    loop_timer_init(&engine->forget, on_forget);
    loop_timer_start(engine->loop, &engine->forget, FORGET_INTERVAL_MS);
}

void resend_finish(struct engine *engine)
{
    loop_timer_stop(&engine->forget);
}
