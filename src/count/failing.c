/* SPDX-License-Identifier: MIT */
#include "count/failing.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "count/breaker.h"

#include <stdio.h>
#include <stdlib.h>

#define WARN_AFTER_MS    1000
#define WARN_INTERVAL_MS 60000

/* a lane without work is forgotten when its last refusal is older than this */
#define KNOWN_MS 60000

/*
 * A lane whose last refusal is older than this counts as working. Otherwise a load balancer that
 * follows /readyz would send no visits, and no visit would test the store.
 */
#define FRESH_MS 5000

struct failing {
    struct list link; /* in the engine's list, ordered by the last warning */
    struct lane *lane;
    uint64_t since_ms;
    uint64_t refused_at_ms; /* the last refusal */
    bool is_warned;
    bool is_torn;        /* it was warned of at once */
    bool is_server_wide; /* the last refusal concerned all sites */
    char reason[256];    /* of the last refusal */
};

static struct failing *failing_of(struct list *link)
{
    return container_of(link, struct failing, link);
}

static char *format_lasted(const struct failing *failing, uint64_t now_ms,
                           char text[UNITS_TEXT_MAX])
{
    uint64_t lasted_ms = now_ms - failing->since_ms;

    return format_duration(lasted_ms - lasted_ms % 1000, text);
}

static struct failing *take_failing(struct lane *lane)
{
    if (lane->failing == NULL) {
        lane->failing = alloc_zero(1, sizeof(*lane->failing));
        lane->failing->lane = lane;
        list_append(&lane->site->engine->failing, &lane->failing->link);
        lane->site->engine->failing_sites += lane->site->failing_lanes++ == 0 ? 1 : 0;
    }
    return lane->failing;
}

static void warn(struct engine *engine, struct failing *failing, uint64_t now_ms)
{
    const struct journal_status *journal =
        engine->journal != NULL ? journal_status(engine->journal) : NULL;
    char duration[UNITS_TEXT_MAX];

    log_warning("store: site %s: takes no batches for %s: %s; trying again, %llu visits wait, %llu "
                "are in the journal",
                failing->lane->session.site, format_lasted(failing, now_ms, duration),
                failing->reason, (unsigned long long)engine->stats.waiting,
                journal != NULL ? (unsigned long long)journal->visits : 0);
    failing->is_warned = true;
    engine->warned_at_ms = now_ms;
    list_remove(&failing->link);
    list_append(&engine->failing, &failing->link);
}

static void warn_torn(struct engine *engine, struct failing *failing, uint64_t now_ms)
{
    log_warning("store: site %s: %s; no visits of the site are counted until it is repaired: "
                "visitcountctl repair %s --trust hits|NUMBER",
                failing->lane->session.site, failing->reason, failing->lane->session.site);
    failing->is_warned = true;
    engine->warned_at_ms = now_ms;
    list_remove(&failing->link);
    list_append(&engine->failing, &failing->link);
}

/* warns of the lane whose last warning is the oldest */
static void warn_in_turn(struct engine *engine, uint64_t now_ms)
{
    struct failing *failing = failing_of(engine->failing.next);

    if (now_ms - failing->since_ms < WARN_AFTER_MS ||
        (engine->warned_at_ms != 0 && now_ms - engine->warned_at_ms < WARN_INTERVAL_MS)) {
        return;
    }
    if (breaker_is_torn(failing->lane->site)) {
        warn_torn(engine, failing, now_ms);
    } else {
        warn(engine, failing, now_ms);
    }
}

void failing_note(struct lane *lane, const struct session_end *end)
{
    struct engine *engine = lane->site->engine;
    uint64_t now_ms = clock_monotonic_ms();
    struct failing *failing = take_failing(lane);

    if (failing->since_ms < engine->changed_at_ms) { /* new, or the store was away meanwhile */
        failing->since_ms = now_ms;
    }
    failing->refused_at_ms = now_ms;
    failing->is_server_wide = end->scope == STORE_SCOPE_SERVER;
    snprintf(failing->reason, sizeof(failing->reason), "%s", end->reason);
    if (end->is_torn && !failing->is_torn) {
        failing->is_torn = true;
        warn_torn(engine, failing, now_ms);
    } else {
        warn_in_turn(engine, now_ms);
    }
}

void failing_end(struct lane *lane)
{
    const struct failing *failing = lane->failing;
    char duration[UNITS_TEXT_MAX];

    if (failing != NULL && failing->is_warned) {
        log_info("store: site %s: takes batches again, after %s", lane->session.site,
                 format_lasted(failing, clock_monotonic_ms(), duration));
    }
    failing_forget(lane);
}

void failing_forget(struct lane *lane)
{
    if (lane->failing != NULL) {
        list_remove(&lane->failing->link);
        free(lane->failing);
        lane->failing = NULL;
        lane->site->engine->failing_sites -= --lane->site->failing_lanes == 0 ? 1 : 0;
    }
}

void failing_end_for_all(struct engine *engine)
{
    struct list *link = engine->failing.next;

    while (link != &engine->failing) {
        struct failing *failing = failing_of(link);

        link = link->next;
        if (failing->is_server_wide) {
            failing_end(failing->lane);
        }
    }
}

static bool is_fresh(const struct failing *failing, uint64_t now_ms)
{
    return failing != NULL && now_ms - failing->refused_at_ms <= FRESH_MS;
}

bool failing_is_known(const struct engine *engine, const struct site *site)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (engine->is_refusing) {
        list_for_each(link, &engine->failing) {
            if (failing_of(link)->is_server_wide && is_fresh(failing_of(link), now_ms)) {
                return true;
            }
        }
    }
    if (site == NULL || !site->is_failing) {
        return false;
    }
    list_for_each(link, &site->lanes) {
        if (is_fresh(lane_in_site(link)->failing, now_ms)) {
            return true;
        }
    }
    return false;
}

void failing_forget_idle(struct engine *engine)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct list *link = engine->failing.next;

    while (link != &engine->failing) {
        struct failing *failing = failing_of(link);

        link = link->next;
        if (now_ms - failing->refused_at_ms > KNOWN_MS &&
            !session_has_work(&failing->lane->session)) {
            failing_forget(failing->lane);
        }
    }
}

bool failing_find_longest(const struct engine *engine, struct engine_failure *ret_failure)
{
    const struct failing *longest = NULL;

    list_for_each(link, &engine->failing) {
        const struct failing *failing = failing_of(link);

        if (longest == NULL || failing->since_ms < longest->since_ms) {
            longest = failing;
        }
    }
    if (longest == NULL) {
        return false;
    }
    *ret_failure = (struct engine_failure){
        .site = longest->lane->session.site,
        .reason = longest->reason,
        .lasted_ms = clock_monotonic_ms() - longest->since_ms,
        .site_count = engine->failing_sites,
        .is_server_wide = engine->is_refusing,
    };
    return true;
}
