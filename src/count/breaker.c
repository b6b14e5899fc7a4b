/* SPDX-License-Identifier: MIT */
#include "count/breaker.h"

#include "base/clock.h"

/* refusals that are farther apart are not the same */
#define SAME_REFUSAL_MS 60000

/* --- one site --- */

static void begin_site(struct site *site, uint64_t now_ms)
{
    if (!site->is_refused) {
        site->is_refused = true;
        site->refused_since_ms = now_ms;
        waiting_visits_set_apart(&site->visits, true);
    }
}

static void end_site(struct site *site)
{
    if (site->is_refused) {
        site->is_refused = false;
        waiting_visits_set_apart(&site->visits, false);
    }
}

static void begin_torn(struct site *site)
{
    if (!breaker_is_torn(site)) {
        list_append(&site->engine->torn, &site->torn);
        site->engine->torn_sites++;
    }
}

void breaker_end_torn(struct site *site)
{
    if (breaker_is_torn(site)) {
        list_remove(&site->torn);
        site->engine->torn_sites--;
    }
}

/* --- answers of the store --- */

enum store_scope breaker_scope(struct lane *lane, enum store_scope scope)
{
    struct site *site = lane->site;
    uint64_t writes = site->engine->writes;
    uint64_t now_ms = clock_monotonic_ms();

    if (scope != STORE_SCOPE_SERVER) {
        return scope;
    }
    if (site->refused_with_all_at_ms == 0 ||
        now_ms - site->refused_with_all_at_ms > SAME_REFUSAL_MS) {
        site->writes_before = writes;
    }
    site->refused_with_all_at_ms = now_ms;
    return site->writes_before != writes ? STORE_SCOPE_SITE : STORE_SCOPE_SERVER;
}

void breaker_note_refusal(struct lane *lane, const struct session_end *end)
{
    struct engine *engine = lane->site->engine;
    uint64_t now_ms = clock_monotonic_ms();

    if (end->scope == STORE_SCOPE_SERVER) {
        if (!engine->is_refusing) {
            engine->refusing_since_ms = now_ms;
        }
        engine->is_refusing = true;
        engine->is_unproven = true;
        return;
    }
    lane->is_refused = true;
    if (end->is_torn) {
        begin_torn(lane->site);
    }
    /* other lanes may be refused for reasons of their own, for example their entry in the ledger */
    if (lane == &lane->site->live || end->is_torn) {
        begin_site(lane->site, now_ms);
    }
}

void breaker_close(struct lane *lane, bool is_written)
{
    struct engine *engine = lane->site->engine;

    if (engine->is_unproven && is_written) {
        engine->refusing_ended_at_ms = clock_monotonic_ms();
        engine->is_unproven = false;
        engine->is_refusing = false;
    }
    if (lane->is_refused || lane->site->is_refused) {
        lane->site->refused_ended_at_ms = clock_monotonic_ms();
        lane->is_refused = false;
        end_site(lane->site);
        breaker_end_torn(lane->site);
    }
}

void breaker_note_store(struct engine *engine)
{
    engine->is_refusing = false;
    map_for_each(node, &engine->sites) {
        end_site(site_of(node));
    }
}

/* --- admission --- */

static bool has_lasted(const struct engine *engine, uint64_t since_ms, uint64_t now_ms)
{
    return now_ms - since_ms >= engine->options.max_wait_ms;
}

/* whether a visit waits that can test whether the store accepts all sites again */
static bool is_server_tried(const struct engine *engine, const struct site *site)
{
    bool is_refused = site != NULL && site->is_refused;

    /* a visit of a site that is refused alone tests nothing for the other sites */
    return waiting_visits_count(&engine->waiting) !=
           (is_refused ? 0 : waiting_visits_count_apart(&engine->waiting));
}

uint64_t breaker_away_since_ms(const struct engine *engine)
{
    return engine->changed_at_ms + loop_lost_ms(engine->loop) - engine->changed_lost_ms;
}

/*
 * Whether the site was tried just now, for all, and in vain. Then a visit of another one is the
 * next to try: it may be the only site that the store takes, and few visits of it may come.
 */
static bool gives_way(const struct engine *engine, const struct site *site, uint64_t now_ms)
{
    return engine->options.has_many_sites && site != NULL && site->refused_with_all_at_ms != 0 &&
           now_ms - site->refused_with_all_at_ms < engine->options.max_wait_ms / 2;
}

bool breaker_is_open(const struct engine *engine, const struct site *site, uint64_t now_ms)
{
    bool is_torn = site != NULL && breaker_is_torn(site);

    if (!engine->is_available) {
        return is_torn || has_lasted(engine, breaker_away_since_ms(engine), now_ms);
    }
    if (engine->is_refusing && has_lasted(engine, engine->refusing_since_ms, now_ms) &&
        (is_server_tried(engine, site) || gives_way(engine, site, now_ms))) {
        return true;
    }
    if (site == NULL || waiting_visits_count_of(&site->visits) == 0) {
        return false;
    }
    return is_torn || (site->is_refused && has_lasted(engine, site->refused_since_ms, now_ms));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t breaker_deadline_ms(const struct engine *engine, const struct site *site, uint64_t now_ms)
{
    uint64_t since_ms = engine->is_available ? now_ms : breaker_away_since_ms(engine);

    /* visits that wait for the end of a refusal time out together, except for the one that tests */
    if (engine->is_available && engine->is_refusing &&
        !has_lasted(engine, engine->refusing_since_ms, now_ms)) {
        since_ms = earlier(since_ms, engine->refusing_since_ms);
    }
    if (engine->is_available && site != NULL && site->is_refused &&
        !has_lasted(engine, site->refused_since_ms, now_ms)) {
        since_ms = earlier(since_ms, site->refused_since_ms);
    }
    return since_ms + engine->options.max_wait_ms;
}
