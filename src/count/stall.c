/* SPDX-License-Identifier: MIT */
#include "count/stall.h"

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

struct stall {
    struct list link; /* in the engine's list, ordered by the last warning */
    struct lane *lane;
    uint64_t since_ms;
    uint64_t refused_at_ms; /* the last refusal */
    bool is_warned;
    bool is_torn;        /* it was warned of at once */
    bool is_server_wide; /* the last refusal concerned all sites */
    char reason[256];    /* of the last refusal */
};

static struct stall *stall_of(struct list *link)
{
    return container_of(link, struct stall, link);
}

static char *format_lasted(const struct stall *stall, uint64_t now_ms, char text[UNITS_TEXT_MAX])
{
    uint64_t lasted_ms = now_ms - stall->since_ms;

    return units_format_duration(lasted_ms - lasted_ms % 1000, text);
}

static struct stall *find_or_create_stall(struct lane *lane)
{
    if (lane->stall == NULL) {
        lane->stall = alloc_zero(1, sizeof(*lane->stall));
        lane->stall->lane = lane;
        list_append(&lane->site->engine->stalls, &lane->stall->link);
        lane->site->engine->stalled_sites += lane->site->stalled_lanes++ == 0 ? 1 : 0;
    }
    return lane->stall;
}

static void warn(struct engine *engine, struct stall *stall, uint64_t now_ms)
{
    const struct journal_status *journal =
        engine->journal != NULL ? journal_status(engine->journal) : NULL;
    char duration[UNITS_TEXT_MAX];

    log_warning("store: site %s: takes no batches for %s: %s; trying again, %llu visits wait, %llu "
                "are in the journal",
                stall->lane->session.site, format_lasted(stall, now_ms, duration), stall->reason,
                (unsigned long long)engine->stats.waiting,
                journal != NULL ? (unsigned long long)journal->visits : 0);
    stall->is_warned = true;
    engine->warned_at_ms = now_ms;
    list_remove(&stall->link);
    list_append(&engine->stalls, &stall->link);
}

static void warn_torn(struct engine *engine, struct stall *stall, uint64_t now_ms)
{
    log_warning("store: site %s: %s; no visits of the site are counted until it is repaired: "
                "visitcountctl repair %s --trust hits|NUMBER",
                stall->lane->session.site, stall->reason, stall->lane->session.site);
    stall->is_warned = true;
    engine->warned_at_ms = now_ms;
    list_remove(&stall->link);
    list_append(&engine->stalls, &stall->link);
}

/* warns of the lane whose last warning is the oldest */
static void warn_in_turn(struct engine *engine, uint64_t now_ms)
{
    struct stall *stall = stall_of(engine->stalls.next);

    if (now_ms - stall->since_ms < WARN_AFTER_MS ||
        (engine->warned_at_ms != 0 && now_ms - engine->warned_at_ms < WARN_INTERVAL_MS)) {
        return;
    }
    if (breaker_is_torn(&stall->lane->site->breaker)) {
        warn_torn(engine, stall, now_ms);
    } else {
        warn(engine, stall, now_ms);
    }
}

void stall_note(struct lane *lane, const struct session_end *end)
{
    struct engine *engine = lane->site->engine;
    uint64_t now_ms = clock_monotonic_ms();
    struct stall *stall = find_or_create_stall(lane);

    if (stall->since_ms <
        breaker_changed_at_ms(&engine->breaker)) { /* new, or the store was away meanwhile */
        stall->since_ms = now_ms;
    }
    stall->refused_at_ms = now_ms;
    stall->is_server_wide = end->scope == STORE_SCOPE_SERVER;
    snprintf(stall->reason, sizeof(stall->reason), "%s", end->reason);
    if (end->is_torn && !stall->is_torn) {
        stall->is_torn = true;
        warn_torn(engine, stall, now_ms);
    } else {
        warn_in_turn(engine, now_ms);
    }
}

void stall_end_tracked(struct lane *lane)
{
    const struct stall *stall = lane->stall;
    char duration[UNITS_TEXT_MAX];

    if (stall->is_warned) {
        log_info("store: site %s: takes batches again, after %s", lane->session.site,
                 format_lasted(stall, clock_monotonic_ms(), duration));
    }
    stall_forget(lane);
}

void stall_forget(struct lane *lane)
{
    if (lane->stall != NULL) {
        list_remove(&lane->stall->link);
        free(lane->stall);
        lane->stall = NULL;
        lane->site->engine->stalled_sites -= --lane->site->stalled_lanes == 0 ? 1 : 0;
    }
}

void stall_end_for_all(struct engine *engine)
{
    struct list *link = engine->stalls.next;

    while (link != &engine->stalls) {
        struct stall *stall = stall_of(link);

        link = link->next;
        if (stall->is_server_wide) {
            stall_end(stall->lane);
        }
    }
}

static bool is_fresh(const struct stall *stall, uint64_t now_ms)
{
    return stall != NULL && now_ms - stall->refused_at_ms <= FRESH_MS;
}

bool stall_is_known(const struct engine *engine, const struct site *site)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (breaker_is_refusing(&engine->breaker)) {
        list_for_each(link, &engine->stalls) {
            if (stall_of(link)->is_server_wide && is_fresh(stall_of(link), now_ms)) {
                return true;
            }
        }
    }
    if (site == NULL || !breaker_is_site_refused(&site->breaker)) {
        return false;
    }
    list_for_each(link, &site->lanes) {
        if (is_fresh(lane_in_site(link)->stall, now_ms)) {
            return true;
        }
    }
    return false;
}

void stall_forget_idle(struct engine *engine)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct list *link = engine->stalls.next;

    while (link != &engine->stalls) {
        struct stall *stall = stall_of(link);

        link = link->next;
        if (now_ms - stall->refused_at_ms > KNOWN_MS && !session_has_work(&stall->lane->session)) {
            stall_forget(stall->lane);
        }
    }
}

bool stall_find_longest(const struct engine *engine, struct engine_stall *ret_stall)
{
    const struct stall *longest = NULL;

    list_for_each(link, &engine->stalls) {
        const struct stall *stall = stall_of(link);

        if (longest == NULL || stall->since_ms < longest->since_ms) {
            longest = stall;
        }
    }
    if (longest == NULL) {
        return false;
    }
    *ret_stall = (struct engine_stall){
        .site = longest->lane->session.site,
        .reason = longest->reason,
        .lasted_ms = clock_monotonic_ms() - longest->since_ms,
        .site_count = engine->stalled_sites,
        .is_server_wide = breaker_is_refusing(&engine->breaker),
    };
    return true;
}
