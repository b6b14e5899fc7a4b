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

/* who tried nothing for so long does not know whether it still fails */
#define KNOWN_MS 60000

/*
 * Who has not been tried for so long may work again. A load balancer that goes by /readyz sends
 * nobody who would find out.
 */
#define FRESH_MS 5000

struct failing {
    struct list link; /* in the engine's; what was warned of last is the last */
    struct leg *leg;
    uint64_t since_ms;
    uint64_t refused_at_ms; /* last */
    bool is_warned;
    bool is_torn;        /* which was warned of at once */
    bool is_server_wide; /* the latest refusal was one of all sites */
    char reason[256];    /* the latest */
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

static struct failing *take_failing(struct leg *leg)
{
    if (leg->failing == NULL) {
        leg->failing = alloc_zero(1, sizeof(*leg->failing));
        leg->failing->leg = leg;
        list_append(&leg->site->engine->failing, &leg->failing->link);
        leg->site->engine->failing_sites += leg->site->failing_legs++ == 0 ? 1 : 0;
    }
    return leg->failing;
}

static void warn(struct engine *engine, struct failing *failing, uint64_t now_ms)
{
    const struct journal_status *journal =
        engine->journal != NULL ? journal_status(engine->journal) : NULL;
    char duration[UNITS_TEXT_MAX];

    log_warning("store: site %s: takes no batches for %s: %s; trying again, %llu visits wait, %llu "
                "are in the journal",
                failing->leg->flow.site, format_lasted(failing, now_ms, duration), failing->reason,
                (unsigned long long)engine->stats.waiting,
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
                failing->leg->flow.site, failing->reason, failing->leg->flow.site);
    failing->is_warned = true;
    engine->warned_at_ms = now_ms;
    list_remove(&failing->link);
    list_append(&engine->failing, &failing->link);
}

/* of the one of which was warned longest ago */
static void warn_in_turn(struct engine *engine, uint64_t now_ms)
{
    struct failing *failing = failing_of(engine->failing.next);

    if (now_ms - failing->since_ms < WARN_AFTER_MS ||
        (engine->warned_at_ms != 0 && now_ms - engine->warned_at_ms < WARN_INTERVAL_MS)) {
        return;
    }
    if (breaker_is_torn(failing->leg->site)) {
        warn_torn(engine, failing, now_ms);
    } else {
        warn(engine, failing, now_ms);
    }
}

void failing_note(struct leg *leg, const struct flow_end *end)
{
    struct engine *engine = leg->site->engine;
    uint64_t now_ms = clock_monotonic_ms();
    struct failing *failing = take_failing(leg);

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

void failing_end(struct leg *leg)
{
    const struct failing *failing = leg->failing;
    char duration[UNITS_TEXT_MAX];

    if (failing != NULL && failing->is_warned) {
        log_info("store: site %s: takes batches again, after %s", leg->flow.site,
                 format_lasted(failing, clock_monotonic_ms(), duration));
    }
    failing_forget(leg);
}

void failing_forget(struct leg *leg)
{
    if (leg->failing != NULL) {
        list_remove(&leg->failing->link);
        free(leg->failing);
        leg->failing = NULL;
        leg->site->engine->failing_sites -= --leg->site->failing_legs == 0 ? 1 : 0;
    }
}

void failing_end_for_all(struct engine *engine)
{
    struct list *link = engine->failing.next;

    while (link != &engine->failing) {
        struct failing *failing = failing_of(link);

        link = link->next;
        if (failing->is_server_wide) {
            failing_end(failing->leg);
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
    list_for_each(link, &site->legs) {
        if (is_fresh(leg_in_site(link)->failing, now_ms)) {
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
        if (now_ms - failing->refused_at_ms > KNOWN_MS && !flow_has_work(&failing->leg->flow)) {
            failing_forget(failing->leg);
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
        .site = longest->leg->flow.site,
        .reason = longest->reason,
        .lasted_ms = clock_monotonic_ms() - longest->since_ms,
        .site_count = engine->failing_sites,
        .is_server_wide = engine->is_refusing,
    };
    return true;
}
