/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/clock.h"
#include "base/log.h"
#include "count/outage.h"
#include "count/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* how often it is looked whether a visit's patience ended; only while visits wait */
#define EXPIRE_INTERVAL_MS 50

/*
 * With a journal, how long the store may be away before visits go there: enough for its restart, or
 * for the first connection of this process.
 */
#define MOMENT_MS 250

/* how often answered parcels that are too old are dropped */
#define FORGET_INTERVAL_MS 1000

static struct leg *leg_of(struct flow *flow)
{
    return container_of(flow, struct leg, flow);
}

static struct leg *leg_in_site(struct list *link)
{
    return container_of(link, struct leg, link);
}

static struct leg *leg_in_queue(struct list *link)
{
    return container_of(link, struct leg, queue);
}

static struct site *site_of(struct map_node *node)
{
    return container_of(node, struct site, node);
}

/* --- answers --- */

static void on_counted(struct flow *flow, struct visit *visit, const struct visit_answer *answer)
{
    struct stats *stats = &leg_of(flow)->site->engine->stats;
    uint64_t now_us = clock_monotonic_us();

    stats_add_latency(stats, now_us - visit->accepted_at_us);
    if (answer->status == VISIT_COUNTED) {
        stats_add_applied(stats, 1, now_us / 1000);
    } else if (answer->status == VISIT_REPEATED) {
        stats->repeated++;
    } else {
        stats->refused++;
    }
    stats->unconfirmed += answer->replicas < answer->replicas_wanted ? 1 : 0;
    stats->waiting--;
    visit->on_answer(visit, answer);
}

void engine_answer_uncounted(struct engine *engine, struct list *visits, enum visit_status status,
                             const char *reason)
{
    struct visit_answer answer = {.status = status, .uniques = STORE_NONE, .reason = reason};
    struct list *link;

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
    list_for_each(link, &site->legs) {
        flow_expire(&leg_in_site(link)->flow, now_ms, &refused, &unknown);
    }
    engine_answer_uncounted(site->engine, &refused, VISIT_REFUSED,
                            "the store did not take the visit in time; it was not counted");
    engine_answer_uncounted(site->engine, &unknown, VISIT_UNKNOWN,
                            "the store did not confirm the visit in time; it may have been "
                            "counted");
}

/* whether visits go to the journal, since the store will not be back in a moment */
static bool is_gone(const struct engine *engine, uint64_t now_ms)
{
    uint64_t max_wait_ms = engine->options.max_wait_ms;

    return engine->journal != NULL && !engine->is_available &&
           now_ms - engine->changed_at_ms >= (max_wait_ms < MOMENT_MS ? max_wait_ms : MOMENT_MS);
}

static bool has_batches(const struct site *site)
{
    list_for_each(link, &site->legs) {
        if (!list_is_empty(&leg_in_site(link)->flow.batches)) {
            return true;
        }
    }
    return false;
}

/* whether visits of a site, which came for the store, are to go to the journal instead */
static bool waits_in_vain(const struct site *site, uint64_t now_ms)
{
    return flow_is_overdue(&site->live.flow, now_ms) ||
           (is_gone(site->engine, now_ms) && !list_is_empty(&site->live.flow.batches));
}

static void on_expire(struct loop_timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, expire);
    uint64_t now_ms = clock_monotonic_ms();
    struct list *link = engine->awaited.next;

    while (link != &engine->awaited) {
        struct site *site = container_of(link, struct site, awaited);

        if (engine->journal == NULL) {
            expire_site(site, now_ms);
        } else if (waits_in_vain(site, now_ms)) {
            outage_shelter(site);
        }
        link = link->next;
        if (!has_batches(site)) {
            list_remove(&site->awaited);
        }
    }
    if (engine->stats.waiting != 0) {
        loop_timer_start(engine->loop, &engine->expire, EXPIRE_INTERVAL_MS);
    }
}

/* --- sending --- */

void leg_make_ready(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    list_append(&engine->ready, &leg->queue);
    loop_task_schedule(engine->loop, &engine->flush);
}

static void wake_resting(struct engine *engine)
{
    while (!list_is_empty(&engine->resting)) {
        leg_make_ready(leg_in_queue(engine->resting.next));
    }
}

static void on_retry(struct loop_timer *timer)
{
    wake_resting(container_of(timer, struct engine, retry));
}

/* backoff, but so that whoever waits as long as a visit does sees some more attempts */
static uint64_t retry_delay_ms(struct engine *engine)
{
    uint64_t delay_ms = backoff_next_ms(&engine->backoff);
    uint64_t limit_ms = engine->options.max_wait_ms / 4;

    if (limit_ms < BACKOFF_FIRST_MS) {
        limit_ms = BACKOFF_FIRST_MS;
    }
    return delay_ms < limit_ms ? delay_ms : limit_ms;
}

/* while the store is away its return ends the rest; otherwise the timer does */
static void let_rest(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    list_append(&engine->resting, &leg->queue);
    if (engine->is_available && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, retry_delay_ms(engine));
    }
}

/*
 * Sends what is ready. Where more than one visit waits, connections are polled once more before:
 * what they have ready by then joins, and fewer, larger batches cost everybody less than the turn
 * does.
 */
static void on_flush(struct loop_task *task)
{
    struct engine *engine = container_of(task, struct engine, flush);
    struct list *link;

    engine->has_gathered = !engine->has_gathered && engine->stats.waiting > 1;
    if (engine->has_gathered) {
        loop_task_schedule(engine->loop, task);
        return;
    }
    while ((link = list_take_first(&engine->ready)) != NULL) {
        struct leg *leg = leg_in_queue(link);

        if (!engine->is_available) {
            if (is_gone(engine, clock_monotonic_ms())) {
                outage_shelter(leg->site);
            }
            let_rest(leg);
            continue;
        }
        if (outage_may_send(leg)) {
            flow_send(&leg->flow);
        }
        if (leg == leg->site->backlog) { /* visits may have joined behind what is sent */
            outage_write(leg->site);
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

/* calls `visit_leg` for each leg of each site */
static void for_each_leg(struct engine *engine, void (*visit_leg)(struct leg *leg))
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            visit_leg(leg_in_site(link));
        }
    }
}

/* a store that comes back may have less than it had */
static void distrust_store(struct leg *leg)
{
    flow_distrust(&leg->flow);
}

static void wake_with_work(struct leg *leg)
{
    if (flow_has_work(&leg->flow) && !flow_is_busy(&leg->flow)) {
        leg_make_ready(leg);
    }
}

/* a store that went back in time did so for all flows; some would not send anything to find out */
static void distrust_elsewhere(const struct leg *leg)
{
    map_for_each(node, &leg->site->engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            if (leg_in_site(link) != leg) {
                distrust_store(leg_in_site(link));
                wake_with_work(leg_in_site(link));
            }
        }
    }
}

static void note_gap(struct leg *leg, const struct ledger_gap *gap)
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

static void note_failure(struct leg *leg, const char *reason)
{
    if (leg->site->engine->failing_since_ms == 0) {
        leg->site->engine->failing_since_ms = clock_monotonic_ms();
    }
    log_debug("store: site %s: %s", leg->flow.site, reason);
}

static void on_end(struct flow *flow, const struct flow_end *end)
{
    struct leg *leg = leg_of(flow);

    if (end->result == FLOW_FAILED) {
        note_failure(leg, end->reason);
    } else if (end->result == FLOW_GAP) {
        note_gap(leg, &end->gap);
        if (end->is_surprise) {
            distrust_elsewhere(leg);
        }
    } else {
        note_success(leg->site->engine, end);
    }
    if (end->result == FLOW_HEALED && ledger_to_heal(&flow->ledger) == NULL) {
        log_info("store: site %s: healed; %llu visits were sent again since the start", flow->site,
                 (unsigned long long)leg->site->engine->stats.healed);
    }
    if (!flow_has_work(flow)) {
        return;
    }
    if (end->result == FLOW_FAILED) {
        let_rest(leg);
    } else {
        leg_make_ready(leg);
    }
}

static void note_visitors(struct engine *engine, const struct batch *batch,
                          const struct store_applied *applied)
{
    const struct store_batch *content = &batch->parcel->content;

    for (size_t i = 0; i < content->visitor_count; i++) {
        const struct store_visitor *visitor = &content->visitors[i];
        const struct store_entry *entry = &content->entries[visitor->entry];

        if (applied->totals[visitor->entry] != STORE_NONE) {
            known_visitors_note(&engine->known, visitor->hash,
                                map_hash_key(entry->page, entry->page_length));
        }
    }
}

static void on_applied(struct flow *flow, struct batch *batch, const struct store_applied *applied)
{
    note_visitors(leg_of(flow)->site->engine, batch, applied);
    outage_note_applied(leg_of(flow), batch, applied);
}

static const struct flow_events flow_events = {on_counted, on_applied, on_end};

void leg_init(struct leg *leg, struct site *site)
{
    list_init(&leg->queue);
    leg->site = site;
    flow_init(&leg->flow, site->engine->store, site->node.key, &flow_events);
    leg->flow.known = &site->engine->known;
    list_append(&site->legs, &leg->link);
}

static void finish_leg(struct leg *leg)
{
    list_remove(&leg->queue);
    list_remove(&leg->link);
    outage_forget_leg(leg);
    flow_finish(&leg->flow);
    if (leg != &leg->site->live) {
        free(leg);
    }
}

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
            finish_leg(leg);
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
    loop_timer_start(engine->loop, timer, FORGET_INTERVAL_MS);
}

static void on_store_change(void *data, bool available)
{
    struct engine *engine = data;

    engine->is_available = available;
    engine->changed_at_ms = clock_monotonic_ms();
    engine->failing_since_ms = 0;
    if (available) {
        backoff_reset(&engine->backoff);
        for_each_leg(engine, distrust_store);
        wake_resting(engine); /* also what has no work any more: no timer would wake it later */
    }
    for_each_leg(engine, wake_with_work);
}

/* --- visits --- */

static struct site *find_site(const struct engine *engine, const char *name)
{
    struct map_node *node;

    if (engine->latest != NULL && strcmp(engine->latest->name, name) == 0) {
        return engine->latest;
    }
    node = map_find(&engine->sites, name, strlen(name));
    return node != NULL ? site_of(node) : NULL;
}

struct site *engine_take_site(struct engine *engine, const char *name)
{
    struct site *site = find_site(engine, name);

    if (site != NULL) {
        return site;
    }
    site = calloc(1, sizeof(*site));
    if (site == NULL) {
        abort();
    }
    site->engine = engine;
    strncpy(site->name, name, STORE_SITE_MAX);
    list_init(&site->awaited);
    list_init(&site->legs);
    map_insert(&engine->sites, &site->node, site->name, strlen(site->name));
    leg_init(&site->live, site);
    return site;
}

/*
 * Whether the store has been of no use for longer than a visit would wait. While it is there but
 * takes nothing, one visit at a time is let through to find out when it does again.
 */
static bool is_hopeless(const struct engine *engine, uint64_t now_ms)
{
    if (!engine->is_available) {
        return now_ms - engine->changed_at_ms >= engine->options.max_wait_ms;
    }
    return engine->failing_since_ms != 0 && engine->stats.waiting != 0 &&
           now_ms - engine->failing_since_ms >= engine->options.max_wait_ms;
}

/* whether the visit may join; with a journal it may also when the store is of no use */
static int admit(struct engine *engine, struct visit *visit, uint64_t now_us, bool *ret_shelter)
{
    uint64_t now_ms = now_us / 1000;

    *ret_shelter =
        engine->journal != NULL && (is_gone(engine, now_ms) || is_hopeless(engine, now_ms));
    if (engine->is_stopped) {
        return -ESHUTDOWN;
    }
    if (engine->stats.waiting >= engine->options.max_waiting) {
        return -ENOBUFS;
    }
    if (*ret_shelter) {
        visit->deadline_ms = now_ms;
        return journal_has_room(engine->journal) ? 0 : -ENOSPC;
    }
    if (is_hopeless(engine, now_ms)) {
        return -EHOSTDOWN;
    }
    visit->deadline_ms =
        engine->options.max_wait_ms + (engine->is_available ? now_ms : engine->changed_at_ms);
    return 0;
}

void leg_use(struct leg *leg, uint64_t now_ms)
{
    if (now_ms - leg->used_at_ms > leg->site->engine->options.ledger_ttl_ms / 2) {
        flow_renew(&leg->flow);
    }
    leg->used_at_ms = now_ms;
}

int engine_visit(struct engine *engine, const char *site_name, const char *page, size_t page_length,
                 struct visit *visit)
{
    uint64_t now_us = clock_monotonic_us();
    bool shelter;
    int error = admit(engine, visit, now_us, &shelter);
    struct site *site;
    struct leg *leg;

    if (error != 0) {
        engine->stats.refused++;
        return error;
    }
    site = engine_take_site(engine, site_name);
    engine->latest = site;
    engine->stats.accepted++;
    engine->stats.waiting++;
    visit->accepted_at_us = now_us;
    leg = shelter ? outage_backlog(site) : &site->live;
    leg_use(leg, now_us / 1000);
    flow_add(&leg->flow, page, page_length, visit);
    if (shelter || (!flow_is_busy(&leg->flow) && list_is_empty(&leg->queue))) {
        leg_make_ready(leg);
    }
    if (list_is_empty(&site->awaited)) {
        list_append(&engine->awaited, &site->awaited);
    }
    if (!loop_timer_is_active(&engine->expire)) {
        loop_timer_start(engine->loop, &engine->expire, EXPIRE_INTERVAL_MS);
    }
    return 0;
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
    map_init(&engine->estimates);
    list_init(&engine->awaited);
    list_init(&engine->ready);
    list_init(&engine->resting);
    loop_task_init(&engine->flush, on_flush);
    loop_timer_init(&engine->retry, on_retry);
    loop_timer_init(&engine->expire, on_expire);
    loop_timer_init(&engine->forget, on_forget);
    loop_timer_start(loop, &engine->forget, FORGET_INTERVAL_MS);
    store_health(store, &health);
    engine->is_available = health.available;
    engine->changed_at_ms = clock_monotonic_ms();
    store_listen(store, on_store_change, engine);
    return engine;
}

static void destroy_site(struct site *site)
{
    map_remove(&site->engine->sites, &site->node);
    while (!list_is_empty(&site->legs)) {
        finish_leg(leg_in_site(site->legs.next));
    }
    list_remove(&site->awaited);
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
        destroy_site(site_of(node));
    }
    map_finish(&engine->sites);
    known_visitors_forget(&engine->known);
    outage_finish(engine);
    free(engine);
}

void engine_use_journal(struct engine *engine, struct journal *journal)
{
    engine->journal = journal;
}

struct journal_entry *engine_restore(void *engine, struct journal_record *record)
{
    return outage_restore(engine, record);
}

bool engine_can_journal(const struct engine *engine)
{
    return engine->journal != NULL && journal_has_room(engine->journal);
}

const struct journal_status *engine_journal_status(const struct engine *engine)
{
    return engine->journal != NULL ? journal_status(engine->journal) : NULL;
}

void engine_configure(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
}

uint64_t engine_retained_bytes(const struct engine *engine)
{
    uint64_t bytes = 0;

    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            bytes += leg_in_site(link)->flow.ledger.retained_bytes;
        }
    }
    return bytes;
}

void engine_stop(struct engine *engine)
{
    engine->is_stopped = true;
}

bool engine_is_healing(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            if (flow_may_heal(&leg_in_site(link)->flow)) {
                return true;
            }
        }
    }
    return false;
}

/* whether nothing of a site would be lost if the process ended now: what heals is only here */
static bool is_safe(const struct site *site)
{
    list_for_each(link, &site->legs) {
        const struct leg *leg = container_of(link, struct leg, link);

        if (flow_may_heal(&leg->flow) || !outage_is_safe(leg)) {
            return false;
        }
    }
    return true;
}

bool engine_is_idle(const struct engine *engine)
{
    map_for_each(node, &engine->sites) {
        if (!is_safe(site_of(node))) {
            return false;
        }
    }
    return engine->stats.waiting == 0;
}

void engine_abandon(struct engine *engine)
{
    engine_stop(engine);
    map_for_each(node, &engine->sites) {
        expire_site(site_of(node), UINT64_MAX);
    }
}

const struct stats *engine_stats(const struct engine *engine)
{
    return &engine->stats;
}
