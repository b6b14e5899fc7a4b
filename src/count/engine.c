/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "count/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* how often it is looked whether a visit's patience ended; only while visits wait */
#define EXPIRE_INTERVAL_MS 50

/* how often answered parcels that are too old are dropped */
#define FORGET_INTERVAL_MS 1000

struct engine {
    struct loop *loop;
    struct store *store;
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest; /* most visits are of the site of the visit before */
    struct list ready;   /* sites with something to send */
    struct list resting; /* sites that wait for the retry timer, or for the store to come back */
    struct loop_task flush;
    struct loop_timer retry;
    struct loop_timer expire;
    struct loop_timer forget;
    struct backoff backoff;
    bool is_available;
    bool is_stopped;
    uint64_t away_since_ms;    /* while the store is not available */
    uint64_t failing_since_ms; /* while the store is there but takes no batch; else 0 */
};

struct site {
    struct map_node node;
    struct list link; /* in ready or resting, or in neither */
    struct engine *engine;
    struct flow flow;
    uint64_t used_at_ms; /* when a visit came last */
};

static struct site *site_of(struct flow *flow)
{
    return container_of(flow, struct site, flow);
}

/* --- answers --- */

static void on_counted(struct flow *flow, struct visit *visit, const struct visit_answer *answer)
{
    struct stats *stats = &site_of(flow)->engine->stats;
    uint64_t now_us = clock_monotonic_us();

    stats_add_latency(stats, now_us - visit->accepted_at_us);
    if (answer->status == VISIT_COUNTED) {
        stats_add_applied(stats, 1, now_us / 1000);
    } else {
        stats->repeated++;
    }
    stats->waiting--;
    visit->on_answer(visit, answer);
}

static void answer_uncounted(struct engine *engine, struct list *visits, enum visit_status status)
{
    struct visit_answer answer = {.status = status, .count = 0, .reason = NULL};
    struct list *link;

    if (status == VISIT_REFUSED) {
        answer.reason = "the store did not take the visit in time; it was not counted";
    } else {
        answer.reason = "the store did not confirm the visit in time; it may have been counted";
    }
    while ((link = list_take_first(visits)) != NULL) {
        struct visit *visit = container_of(link, struct visit, link);

        engine->stats.waiting--;
        if (status == VISIT_REFUSED) {
            engine->stats.refused++;
        } else {
            engine->stats.unknown++;
        }
        visit->on_answer(visit, &answer);
    }
}

static void expire_site(struct site *site, uint64_t now_ms)
{
    struct list refused;
    struct list unknown;

    list_init(&refused);
    list_init(&unknown);
    flow_expire(&site->flow, now_ms, &refused, &unknown);
    answer_uncounted(site->engine, &refused, VISIT_REFUSED);
    answer_uncounted(site->engine, &unknown, VISIT_UNKNOWN);
}

static void on_expire(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, expire);
    uint64_t now_ms = clock_monotonic_ms();

    map_for_each(node, &engine->sites) {
        expire_site(container_of(node, struct site, node), now_ms);
    }
    if (engine->stats.waiting != 0) {
        loop_timer_start(engine->loop, &engine->expire, EXPIRE_INTERVAL_MS);
    }
}

/* --- sending --- */

static void make_ready(struct site *site)
{
    struct engine *engine = site->engine;

    list_remove(&site->link);
    list_append(&engine->ready, &site->link);
    loop_task_schedule(engine->loop, &engine->flush);
}

static void wake_resting(struct engine *engine)
{
    while (!list_is_empty(&engine->resting)) {
        make_ready(container_of(engine->resting.next, struct site, link));
    }
}

static void on_retry(struct loop_timer *timer)
{
    wake_resting(container_of(timer, struct engine, retry));
}

/* while the store is away its return ends the rest; otherwise the timer does */
static void let_rest(struct site *site)
{
    struct engine *engine = site->engine;

    list_remove(&site->link);
    list_append(&engine->resting, &site->link);
    if (engine->is_available && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, backoff_next_ms(&engine->backoff));
    }
}

static void on_flush(struct loop_task *task)
{
    struct engine *engine = container_of(task, struct engine, flush);
    struct list *link;

    while ((link = list_take_first(&engine->ready)) != NULL) {
        struct site *site = container_of(link, struct site, link);

        if (engine->is_available) {
            flow_send(&site->flow);
        } else {
            let_rest(site);
        }
    }
}

/* --- what becomes of it --- */

static void note_success(struct engine *engine, const struct flow_end *end)
{
    backoff_reset(&engine->backoff);
    engine->failing_since_ms = 0;
    engine->stats.duplicates += end->is_duplicate ? 1 : 0;
    engine->stats.resent += end->is_resent ? 1 : 0;
    if (end->result == FLOW_APPLIED) {
        engine->stats.batches++;
    } else if (end->result == FLOW_HEALED) {
        engine->stats.healed += end->hits;
    }
}

static void note_gap(struct site *site, const struct ledger_gap *gap)
{
    struct engine *engine = site->engine;

    engine->stats.gaps++;
    engine->stats.lost += gap->lost_visits;
    if (gap->heal_parcels != 0) {
        log_warning("store: site %s went back in time; sending %llu visits in %llu batches again",
                    site->flow.site, (unsigned long long)gap->heal_visits,
                    (unsigned long long)gap->heal_parcels);
    }
    if (gap->lost_parcels != 0) {
        log_error("store: site %s went back in time by more than is kept here to send again; %llu "
                  "visits in %llu batches are lost",
                  site->flow.site, (unsigned long long)gap->lost_visits,
                  (unsigned long long)gap->lost_parcels);
    }
}

static void note_failure(struct site *site, const char *reason)
{
    if (site->engine->failing_since_ms == 0) {
        site->engine->failing_since_ms = clock_monotonic_ms();
    }
    log_debug("store: site %s: %s", site->flow.site, reason);
}

static void on_end(struct flow *flow, const struct flow_end *end)
{
    struct site *site = site_of(flow);

    if (end->result == FLOW_FAILED) {
        note_failure(site, end->reason);
    } else if (end->result == FLOW_GAP) {
        note_gap(site, &end->gap);
    } else {
        note_success(site->engine, end);
    }
    if (end->result == FLOW_HEALED && ledger_to_heal(&flow->ledger) == NULL) {
        log_info("store: site %s: healed; %llu visits were sent again since the start", flow->site,
                 (unsigned long long)site->engine->stats.healed);
    }
    if (!flow_has_work(flow)) {
        return;
    }
    if (end->result == FLOW_FAILED) {
        let_rest(site);
    } else {
        make_ready(site);
    }
}

static const struct flow_events flow_events = {on_counted, on_end};

/* what was answered long enough ago is no longer kept to heal the store with */
static void on_forget(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, forget);
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t retain_ms = engine->options.retain_ms;

    map_for_each(node, &engine->sites) {
        ledger_forget(&container_of(node, struct site, node)->flow.ledger,
                      now_ms > retain_ms ? now_ms - retain_ms : 0,
                      engine->options.retain_max_bytes);
    }
    loop_timer_start(engine->loop, timer, FORGET_INTERVAL_MS);
}

/* a store that comes back may have less than it had */
static void distrust_store(struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        struct site *site = container_of(node, struct site, node);

        flow_distrust(&site->flow);
        if (flow_has_work(&site->flow) && !flow_is_busy(&site->flow)) {
            make_ready(site);
        }
    }
}

static void on_store_change(void *data, bool available)
{
    struct engine *engine = data;

    engine->is_available = available;
    engine->away_since_ms = clock_monotonic_ms();
    engine->failing_since_ms = 0;
    if (available) {
        backoff_reset(&engine->backoff);
        distrust_store(engine);
        wake_resting(engine);
    }
}

/* --- visits --- */

static struct site *find_site(const struct engine *engine, const char *name)
{
    struct map_node *node;

    if (engine->latest != NULL && strcmp(engine->latest->flow.site, name) == 0) {
        return engine->latest;
    }
    node = map_find(&engine->sites, name, strlen(name));
    return node != NULL ? container_of(node, struct site, node) : NULL;
}

static struct site *add_site(struct engine *engine, const char *name)
{
    struct site *site = calloc(1, sizeof(*site));

    if (site == NULL) {
        abort();
    }
    site->engine = engine;
    list_init(&site->link);
    flow_init(&site->flow, engine->store, name, &flow_events);
    map_insert(&engine->sites, &site->node, site->flow.site, strlen(site->flow.site));
    return site;
}

/*
 * Whether the store has been of no use for longer than a visit would wait. While it is there but
 * takes nothing, one visit at a time is let through to find out when it does again.
 */
static bool is_hopeless(const struct engine *engine, uint64_t now_ms)
{
    if (!engine->is_available) {
        return now_ms - engine->away_since_ms >= engine->options.max_wait_ms;
    }
    return engine->failing_since_ms != 0 && engine->stats.waiting != 0 &&
           now_ms - engine->failing_since_ms >= engine->options.max_wait_ms;
}

static int admit(struct engine *engine, struct visit *visit, uint64_t now_us)
{
    uint64_t now_ms = now_us / 1000;

    if (engine->is_stopped) {
        return -ESHUTDOWN;
    }
    if (engine->stats.waiting >= engine->options.max_waiting) {
        return -ENOBUFS;
    }
    if (is_hopeless(engine, now_ms)) {
        return -EHOSTDOWN;
    }
    visit->accepted_at_us = now_us;
    visit->deadline_ms =
        engine->options.max_wait_ms + (engine->is_available ? now_ms : engine->away_since_ms);
    return 0;
}

/* the store forgets a ledger entry that is unused for long; that must not look like a loss */
static void renew_if_unused(struct site *site, uint64_t now_ms)
{
    if (now_ms - site->used_at_ms > site->engine->options.ledger_ttl_ms / 2) {
        flow_renew(&site->flow);
    }
    site->used_at_ms = now_ms;
}

int engine_visit(struct engine *engine, const char *site_name, const char *page, size_t page_length,
                 struct visit *visit)
{
    struct site *site;
    int error = admit(engine, visit, clock_monotonic_us());

    if (error != 0) {
        engine->stats.refused++;
        return error;
    }
    site = find_site(engine, site_name);
    if (site == NULL) {
        site = add_site(engine, site_name);
    }
    engine->latest = site;
    engine->stats.accepted++;
    engine->stats.waiting++;
    renew_if_unused(site, visit->accepted_at_us / 1000);
    flow_add(&site->flow, page, page_length, clock_wall_ms() / 1000, visit);
    if (!flow_is_busy(&site->flow) && list_is_empty(&site->link)) {
        make_ready(site);
    }
    if (!loop_timer_is_active(&engine->expire)) {
        loop_timer_start(engine->loop, &engine->expire, EXPIRE_INTERVAL_MS);
    }
    return 0;
}

size_t engine_site_count(const struct engine *engine)
{
    return map_count(&engine->sites);
}

bool engine_has_site(const struct engine *engine, const char *site)
{
    return find_site(engine, site) != NULL;
}

/* --- the engine itself --- */

struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    struct store_health health;

    if (engine == NULL) {
        abort();
    }
    engine->loop = loop;
    engine->store = store;
    engine->options = *options;
    map_init(&engine->sites);
    list_init(&engine->ready);
    list_init(&engine->resting);
    loop_task_init(&engine->flush, on_flush);
    loop_timer_init(&engine->retry, on_retry);
    loop_timer_init(&engine->expire, on_expire);
    loop_timer_init(&engine->forget, on_forget);
    loop_timer_start(loop, &engine->forget, FORGET_INTERVAL_MS);
    store_health(store, &health);
    engine->is_available = health.available;
    engine->away_since_ms = clock_monotonic_ms();
    store_listen(store, on_store_change, engine);
    return engine;
}

static void destroy_site(struct site *site)
{
    map_remove(&site->engine->sites, &site->node);
    flow_finish(&site->flow);
    free(site);
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    engine_abandon(engine);
    store_listen(engine->store, NULL, NULL);
    loop_task_cancel(&engine->flush);
    loop_timer_stop(&engine->retry);
    loop_timer_stop(&engine->expire);
    loop_timer_stop(&engine->forget);
    map_for_each(node, &engine->sites) {
        destroy_site(container_of(node, struct site, node));
    }
    map_finish(&engine->sites);
    free(engine);
}

void engine_configure(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

bool engine_is_idle(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        if (flow_has_work(&container_of(node, struct site, node)->flow)) {
            return false;
        }
    }
    return engine->stats.waiting == 0;
}

void engine_abandon(struct engine *engine)
{
    engine_stop(engine);
    map_for_each(node, &engine->sites) {
        expire_site(container_of(node, struct site, node), UINT64_MAX);
    }
}

const struct stats *engine_stats(const struct engine *engine)
{
    return &engine->stats;
}
