/* SPDX-License-Identifier: MIT */
#include "count/breaker.h"

#include "base/clock.h"
#include "base/require.h"

/* refusals that are farther apart are not the same */
#define SAME_REFUSAL_MS 60000

/* --- one site --- */

static void begin_site(struct site_breaker *site, uint64_t now_ms)
{
    if (!site->is_refused) {
        site->is_refused = true;
        site->refused_since_ms = now_ms;
        list_append(&site->all->refused, &site->refused);
        waiting_visits_set_apart(site->visits, true);
    }
}

static void end_site(struct site_breaker *site)
{
    if (site->is_refused) {
        site->is_refused = false;
        list_remove(&site->refused);
        waiting_visits_set_apart(site->visits, false);
    }
}

static void begin_torn(struct site_breaker *site)
{
    if (!breaker_is_torn(site)) {
        list_append(&site->all->torn, &site->torn);
        site->all->torn_count++;
    }
}

static void end_torn(struct site_breaker *site)
{
    if (breaker_is_torn(site)) {
        require(site->all->torn_count != 0);
        list_remove(&site->torn);
        site->all->torn_count--;
    }
}

static void set_lane_refused(struct lane_breaker *lane, bool is_refused)
{
    require(!lane->is_refused || lane->site->refused_lanes != 0);
    lane->site->refused_lanes += is_refused ? 1 : 0;
    lane->site->refused_lanes -= lane->is_refused ? 1 : 0;
    lane->is_refused = is_refused;
}

/* --- answers of the store --- */

enum store_scope breaker_scope(struct site_breaker *site, enum store_scope scope)
{
    uint64_t writes = site->all->writes;
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

void breaker_note_refusal(struct lane_breaker *lane, const struct session_end *end)
{
    struct breaker *all = lane->site->all;
    uint64_t now_ms = clock_monotonic_ms();

    require(all->is_available);
    require(end->result == SESSION_FAILED);
    if (end->scope == STORE_SCOPE_SERVER) {
        if (!all->is_refusing) {
            all->refusing_since_ms = now_ms;
        }
        all->is_refusing = true;
        all->is_unproven = true;
        return;
    }
    set_lane_refused(lane, true);
    if (end->is_torn) {
        begin_torn(lane->site);
    }
    /* other lanes may be refused for reasons of their own, for example their entry in the ledger */
    if (lane->is_live || end->is_torn) {
        begin_site(lane->site, now_ms);
    }
}

void breaker_close(struct lane_breaker *lane, bool is_written)
{
    struct site_breaker *site = lane->site;
    struct breaker *all = site->all;

    if (all->is_unproven && is_written) {
        all->refusing_ended_at_ms = clock_monotonic_ms();
        all->is_unproven = false;
        all->is_refusing = false;
    }
    if (lane->is_refused || site->is_refused) {
        site->refused_ended_at_ms = clock_monotonic_ms();
        set_lane_refused(lane, false);
        end_site(site);
        end_torn(site);
    }
}

void breaker_note_store(struct breaker *breaker, bool is_available)
{
    breaker->is_available = is_available;
    breaker->changed_at_ms = clock_monotonic_ms();
    breaker->changed_lost_ms = loop_lost_ms(breaker->loop);
    breaker->is_refusing = false;
    while (!list_is_empty(&breaker->refused)) {
        end_site(container_of(breaker->refused.next, struct site_breaker, refused));
    }
}

/* --- admission --- */

static bool has_lasted(const struct breaker *breaker, uint64_t since_ms, uint64_t now_ms)
{
    return now_ms - since_ms >= breaker->options->max_wait_ms;
}

/* whether a visit waits that can test whether the store accepts all sites again */
static bool is_server_tried(const struct breaker *breaker, const struct site_breaker *site)
{
    bool is_refused = site != NULL && site->is_refused;

    /* a visit of a site that is refused alone tests nothing for the other sites */
    return waiting_visits_count(breaker->waiting) !=
           (is_refused ? 0 : waiting_visits_count_apart(breaker->waiting));
}

uint64_t breaker_away_since_ms(const struct breaker *breaker)
{
    return breaker->changed_at_ms + loop_lost_ms(breaker->loop) - breaker->changed_lost_ms;
}

/*
 * Whether the site was tried just now, for all, and in vain. Then a visit of another one is the
 * next to try: it may be the only site that the store takes, and few visits of it may come.
 */
static bool gives_way(const struct breaker *breaker, const struct site_breaker *site,
                      uint64_t now_ms)
{
    return breaker->options->has_many_sites && site != NULL && site->refused_with_all_at_ms != 0 &&
           now_ms - site->refused_with_all_at_ms < breaker->options->max_wait_ms / 2;
}

bool breaker_is_open(const struct breaker *breaker, const struct site_breaker *site,
                     uint64_t now_ms)
{
    bool is_torn = site != NULL && breaker_is_torn(site);

    if (!breaker->is_available) {
        return is_torn || has_lasted(breaker, breaker_away_since_ms(breaker), now_ms);
    }
    if (breaker->is_refusing && has_lasted(breaker, breaker->refusing_since_ms, now_ms) &&
        (is_server_tried(breaker, site) || gives_way(breaker, site, now_ms))) {
        return true;
    }
    if (site == NULL || waiting_visits_count_of(site->visits) == 0) {
        return false;
    }
    return is_torn || (site->is_refused && has_lasted(breaker, site->refused_since_ms, now_ms));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t breaker_deadline_ms(const struct breaker *breaker, const struct site_breaker *site,
                             uint64_t now_ms)
{
    uint64_t since_ms = breaker->is_available ? now_ms : breaker_away_since_ms(breaker);

    /* visits that wait for the end of a refusal time out together, except for the one that tests */
    if (breaker->is_available && breaker->is_refusing &&
        !has_lasted(breaker, breaker->refusing_since_ms, now_ms)) {
        since_ms = earlier(since_ms, breaker->refusing_since_ms);
    }
    if (breaker->is_available && site != NULL && site->is_refused &&
        !has_lasted(breaker, site->refused_since_ms, now_ms)) {
        since_ms = earlier(since_ms, site->refused_since_ms);
    }
    return since_ms + breaker->options->max_wait_ms;
}

/* --- what other parts ask --- */

/* whether a refusal of all sites lasts, or ended less than `within_ms` ago */
static bool is_refused_within(const struct breaker *breaker, uint64_t now_ms, uint64_t within_ms)
{
    return breaker->is_unproven || (breaker->refusing_ended_at_ms != 0 &&
                                    now_ms - breaker->refusing_ended_at_ms < within_ms);
}

bool breaker_has_worked_for(const struct breaker *breaker, uint64_t now_ms, uint64_t for_ms)
{
    if (!breaker->is_available || now_ms - breaker->changed_at_ms < for_ms) {
        return false;
    }
    return !is_refused_within(breaker, now_ms, for_ms);
}

bool breaker_has_site_worked_for(const struct site_breaker *site, uint64_t now_ms, uint64_t for_ms)
{
    return site->refused_lanes == 0 &&
           (site->refused_ended_at_ms == 0 || now_ms - site->refused_ended_at_ms >= for_ms);
}

void breaker_list_torn(const struct breaker *breaker, void (*on_site)(void *data, const char *site),
                       void *data)
{
    list_for_each(link, &breaker->torn) {
        on_site(data, container_of(link, struct site_breaker, torn)->name);
    }
}

/* --- the parts of the engine, its sites and lanes --- */

void breaker_init(struct breaker *breaker, struct loop *loop, const struct engine_options *options,
                  const struct waiting_visits *waiting, bool is_available)
{
    *breaker = (struct breaker){
        .loop = loop, .options = options, .waiting = waiting, .is_available = is_available};
    breaker->changed_at_ms = clock_monotonic_ms();
    breaker->changed_lost_ms = loop_lost_ms(loop);
    list_init(&breaker->refused);
    list_init(&breaker->torn);
}

void breaker_finish(struct breaker *breaker)
{
    require(list_is_empty(&breaker->refused));
    require(list_is_empty(&breaker->torn));
    require(breaker->torn_count == 0);
}

void breaker_init_site(struct site_breaker *site, struct breaker *all, struct site_visits *visits,
                       const char *name)
{
    *site = (struct site_breaker){.all = all, .visits = visits, .name = name};
    list_init(&site->refused);
    list_init(&site->torn);
}

void breaker_finish_site(struct site_breaker *site)
{
    require(site->refused_lanes == 0);
    end_site(site);
    end_torn(site);
}

void breaker_init_lane(struct lane_breaker *lane, struct site_breaker *site, bool is_live)
{
    *lane = (struct lane_breaker){.site = site, .is_live = is_live};
}

void breaker_finish_lane(struct lane_breaker *lane)
{
    set_lane_refused(lane, false);
}
