/* SPDX-License-Identifier: MIT */
#include "count/stall.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/require.h"
#include "base/units.h"
#include "journal/journal.h"

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
    struct list link;      /* in the list of all, ordered by the last warning */
    struct list site_link; /* in the site's list */
    struct lane_stall *lane;
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

static const char *site_name(const struct stall *stall)
{
    return stall->lane->session->site;
}

static char *format_lasted(const struct stall *stall, uint64_t now_ms, char text[UNITS_TEXT_MAX])
{
    uint64_t lasted_ms = now_ms - stall->since_ms;

    return units_format_duration(lasted_ms - lasted_ms % 1000, text);
}

static struct stall *find_or_create_stall(struct lane_stall *lane)
{
    struct site_stalls *site = lane->site;

    if (lane->stall == NULL) {
        lane->stall = alloc_zero(1, sizeof(*lane->stall));
        lane->stall->lane = lane;
        site->stalls->site_count += list_is_empty(&site->list) ? 1 : 0;
        list_append(&site->stalls->all, &lane->stall->link);
        list_append(&site->list, &lane->stall->site_link);
    }
    return lane->stall;
}

/* --- warnings --- */

static void note_warning(struct stalls *stalls, struct stall *stall, uint64_t now_ms)
{
    stall->is_warned = true;
    stalls->warned_at_ms = now_ms;
    list_remove(&stall->link);
    list_append(&stalls->all, &stall->link);
}

static void warn(struct stalls *stalls, struct stall *stall, uint64_t now_ms)
{
    const struct journal_status *journal =
        stalls->journal != NULL ? journal_status(stalls->journal) : NULL;
    char duration[UNITS_TEXT_MAX];

    log_warning("store: site %s: takes no batches for %s: %s; trying again, %llu visits wait, %llu "
                "are in the journal",
                site_name(stall), format_lasted(stall, now_ms, duration), stall->reason,
                (unsigned long long)waiting_visits_count(stalls->waiting),
                journal != NULL ? (unsigned long long)journal->visits : 0);
    note_warning(stalls, stall, now_ms);
}

static void warn_torn(struct stalls *stalls, struct stall *stall, uint64_t now_ms)
{
    log_warning("store: site %s: %s; no visits of the site are counted until it is repaired: "
                "visitcountctl repair %s --trust hits|NUMBER",
                site_name(stall), stall->reason, site_name(stall));
    note_warning(stalls, stall, now_ms);
}

/* warns of the lane whose last warning is the oldest */
static void warn_in_turn(struct stalls *stalls, uint64_t now_ms)
{
    struct stall *stall = stall_of(stalls->all.next);

    require(!list_is_empty(&stalls->all));
    if (now_ms - stall->since_ms < WARN_AFTER_MS ||
        (stalls->warned_at_ms != 0 && now_ms - stalls->warned_at_ms < WARN_INTERVAL_MS)) {
        return;
    }
    if (breaker_is_torn(stall->lane->site->breaker)) {
        warn_torn(stalls, stall, now_ms);
    } else {
        warn(stalls, stall, now_ms);
    }
}

/* --- answers of the store --- */

void stall_note(struct lane_stall *lane, const struct session_end *end)
{
    struct stalls *stalls = lane->site->stalls;
    uint64_t now_ms = clock_monotonic_ms();
    struct stall *stall = find_or_create_stall(lane);

    require(end->result == SESSION_FAILED);
    require(end->reason != NULL);
    /* new, or the store was away meanwhile */
    if (stall->since_ms < breaker_changed_at_ms(stalls->breaker)) {
        stall->since_ms = now_ms;
    }
    stall->refused_at_ms = now_ms;
    stall->is_server_wide = end->scope == STORE_SCOPE_SERVER;
    snprintf(stall->reason, sizeof(stall->reason), "%s", end->reason);
    if (end->is_torn && !stall->is_torn) {
        stall->is_torn = true;
        warn_torn(stalls, stall, now_ms);
    } else {
        warn_in_turn(stalls, now_ms);
    }
}

void stall_end_tracked(struct lane_stall *lane)
{
    const struct stall *stall = lane->stall;
    char duration[UNITS_TEXT_MAX];

    if (stall->is_warned) {
        log_info("store: site %s: takes batches again, after %s", site_name(stall),
                 format_lasted(stall, clock_monotonic_ms(), duration));
    }
    stall_forget(lane);
}

void stall_forget(struct lane_stall *lane)
{
    struct site_stalls *site = lane->site;

    if (lane->stall == NULL) {
        return;
    }
    require(site->stalls->site_count != 0);
    list_remove(&lane->stall->link);
    list_remove(&lane->stall->site_link);
    free(lane->stall);
    lane->stall = NULL;
    site->stalls->site_count -= list_is_empty(&site->list) ? 1 : 0;
}

void stall_end_for_all(struct stalls *stalls)
{
    struct list *link = stalls->all.next;

    while (link != &stalls->all) {
        struct stall *stall = stall_of(link);

        link = link->next;
        if (stall->is_server_wide) {
            stall_end(stall->lane);
        }
    }
}

void stall_forget_idle(struct stalls *stalls)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct list *link = stalls->all.next;

    while (link != &stalls->all) {
        struct stall *stall = stall_of(link);

        link = link->next;
        if (now_ms - stall->refused_at_ms > KNOWN_MS && !session_has_work(stall->lane->session)) {
            stall_forget(stall->lane);
        }
    }
}

/* --- reports --- */

static bool is_fresh(const struct stall *stall, uint64_t now_ms)
{
    return now_ms - stall->refused_at_ms <= FRESH_MS;
}

bool stall_is_known(const struct stalls *stalls, const struct site_stalls *site)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (breaker_is_refusing(stalls->breaker)) {
        list_for_each(link, &stalls->all) {
            if (stall_of(link)->is_server_wide && is_fresh(stall_of(link), now_ms)) {
                return true;
            }
        }
    }
    if (site == NULL || !breaker_is_site_refused(site->breaker)) {
        return false;
    }
    list_for_each(link, &site->list) {
        if (is_fresh(container_of(link, struct stall, site_link), now_ms)) {
            return true;
        }
    }
    return false;
}

bool stall_find_longest(const struct stalls *stalls, struct engine_stall *ret_stall)
{
    const struct stall *longest = NULL;

    list_for_each(link, &stalls->all) {
        const struct stall *stall = stall_of(link);

        if (longest == NULL || stall->since_ms < longest->since_ms) {
            longest = stall;
        }
    }
    if (longest == NULL) {
        return false;
    }
    *ret_stall = (struct engine_stall){
        .site = site_name(longest),
        .reason = longest->reason,
        .lasted_ms = clock_monotonic_ms() - longest->since_ms,
        .site_count = stalls->site_count,
        .is_server_wide = breaker_is_refusing(stalls->breaker),
    };
    return true;
}

/* --- the parts of the engine, its sites and lanes --- */

void stall_init(struct stalls *stalls, const struct breaker *breaker,
                const struct waiting_visits *waiting)
{
    *stalls = (struct stalls){.breaker = breaker, .waiting = waiting};
    list_init(&stalls->all);
}

void stall_finish(struct stalls *stalls)
{
    require(list_is_empty(&stalls->all));
    require(stalls->site_count == 0);
}

void stall_use_journal(struct stalls *stalls, const struct journal *journal)
{
    stalls->journal = journal;
}

void stall_init_site(struct site_stalls *site, struct stalls *stalls,
                     const struct site_breaker *breaker)
{
    *site = (struct site_stalls){.stalls = stalls, .breaker = breaker};
    list_init(&site->list);
}

void stall_init_lane(struct lane_stall *lane, struct site_stalls *site,
                     const struct session *session)
{
    *lane = (struct lane_stall){.site = site, .session = session};
}
