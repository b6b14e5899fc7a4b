/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "count/batch.h"
#include "count/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* how often it is looked whether a visit's patience ended; only while visits wait */
#define EXPIRE_INTERVAL_MS 50

#define MS_PER_HOUR 3600000

struct engine {
    struct loop *loop;
    struct store *store;
    struct engine_options options;
    struct stats stats;
    struct map sites;
    struct site *latest; /* most visits are of the site of the visit before */
    struct list ready;   /* sites with a batch to send and none in flight */
    struct list resting; /* sites that wait for the retry timer, or for the store to come back */
    struct loop_task flush;
    struct loop_timer retry;
    struct loop_timer expire;
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
    struct ledger ledger;
    struct list batches; /* the first may be in flight */
    struct call *call;   /* the batch in flight, or NULL */
    char name[STORE_SITE_MAX + 1];
};

/* an open call to the store; outlives the engine when the store answers late */
struct call {
    struct site *site; /* NULL when the engine is gone */
    struct batch *batch;
    struct store_batch sent;
    char epoch[STORE_EPOCH_LENGTH + 1];
    char name[STORE_SITE_MAX + 1];
};

static struct batch *first_batch(struct site *site)
{
    return list_is_empty(&site->batches) ? NULL
                                         : container_of(site->batches.next, struct batch, link);
}

/* --- answers --- */

static void answer_counted(void *data, struct visit *visit, uint64_t count)
{
    struct engine *engine = data;
    struct visit_answer answer = {.status = VISIT_COUNTED, .count = count, .reason = NULL};

    uint64_t now_us = clock_monotonic_us();

    stats_add_latency(&engine->stats, now_us - visit->accepted_at_us);
    stats_add_applied(&engine->stats, 1, now_us / 1000);
    engine->stats.waiting--;
    visit->on_answer(visit, &answer);
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

static void expire_batch(struct engine *engine, struct batch *batch, uint64_t now_ms)
{
    struct list expired;

    list_init(&expired);
    batch_expire(batch, now_ms, &expired);
    answer_uncounted(engine, &expired, batch->is_frozen ? VISIT_UNKNOWN : VISIT_REFUSED);
}

static void expire_site(struct site *site, uint64_t now_ms)
{
    struct list *link = site->batches.next;

    while (link != &site->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        expire_batch(site->engine, batch, now_ms);
        if (batch_is_empty(batch)) {
            list_remove(&batch->link);
            batch_destroy(batch);
        }
    }
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
    struct list resting;
    struct list *link;

    list_init(&resting);
    list_move_all(&resting, &engine->resting);
    while ((link = list_take_first(&resting)) != NULL) {
        make_ready(container_of(link, struct site, link));
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
static void let_rest(struct site *site)
{
    struct engine *engine = site->engine;

    list_remove(&site->link);
    list_append(&engine->resting, &site->link);
    if (engine->is_available && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, retry_delay_ms(engine));
    }
}

static void finish_batch(struct site *site, struct batch *batch,
                         const struct store_applied *applied)
{
    struct engine *engine = site->engine;

    ledger_acknowledge(&site->ledger);
    backoff_reset(&engine->backoff);
    engine->failing_since_ms = 0;
    engine->stats.batches++;
    engine->stats.duplicates += applied->duplicate ? 1 : 0;
    list_remove(&batch->link);
    batch_answer(batch, applied->totals, answer_counted, engine);
    batch_destroy(batch);
}

/*
 * The store has fewer batches than it acknowledged: a crash, a failover or a restored snapshot took
 * the last ones away. This batch, certainly not applied, goes on under a new epoch.
 */
static void go_on_after_gap(struct site *site, const struct store_applied *applied)
{
    log_error("store: site %s went back in time: its ledger is at batch %llu of epoch %s, but %llu "
              "were acknowledged; what was counted in between may be lost; going on under a new "
              "epoch",
              site->name, (unsigned long long)applied->sequence, site->ledger.epoch,
              (unsigned long long)site->ledger.acknowledged);
    site->engine->stats.gaps++;
    ledger_begin(&site->ledger);
}

static void on_failed(struct site *site, struct batch *batch, const struct store_applied *applied)
{
    /* a batch that was unknown once stays frozen: only a gap proves that it was not applied */
    if (applied->gap) {
        go_on_after_gap(site, applied);
        batch_thaw(batch);
    } else if (applied->outcome == STORE_REFUSED && !batch->is_doubtful) {
        batch_thaw(batch);
    } else if (applied->outcome == STORE_UNKNOWN) {
        batch->is_doubtful = true;
    }
    if (site->engine->failing_since_ms == 0 && !applied->gap) {
        site->engine->failing_since_ms = clock_monotonic_ms();
    }
    log_debug("store: batch %llu of site %s: %s: %s",
              (unsigned long long)ledger_next(&site->ledger), site->name,
              applied->outcome == STORE_UNKNOWN ? "outcome unknown" : "refused", applied->reason);
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct call *call = data;
    struct site *site = call->site;
    struct batch *batch = call->batch;

    free(call);
    if (site == NULL) {
        batch_destroy(batch);
        return;
    }
    site->call = NULL;
    if (applied->outcome == STORE_OK) {
        finish_batch(site, batch, applied);
    } else {
        on_failed(site, batch, applied);
    }
    if (list_is_empty(&site->batches)) {
        return;
    }
    if (applied->outcome == STORE_OK || applied->gap) {
        make_ready(site);
    } else {
        let_rest(site);
    }
}

static void send_batch(struct site *site, struct batch *batch)
{
    struct call *call = calloc(1, sizeof(*call));

    if (call == NULL) {
        abort();
    }
    call->site = site;
    call->batch = batch;
    memcpy(call->epoch, site->ledger.epoch, sizeof(call->epoch));
    memcpy(call->name, site->name, sizeof(call->name));
    call->sent.site = call->name;
    call->sent.epoch = call->epoch;
    call->sent.sequence = ledger_next(&site->ledger);
    call->sent.hour = batch->hour;
    call->sent.entries = batch_freeze(batch, &call->sent.entry_count);
    site->engine->stats.resent += batch->attempts > 1 ? 1 : 0;
    site->call = call;
    store_apply(site->engine->store, &call->sent, on_applied, call);
}

static void on_flush(struct loop_task *task)
{
    struct engine *engine = container_of(task, struct engine, flush);
    struct list *link;

    while ((link = list_take_first(&engine->ready)) != NULL) {
        struct site *site = container_of(link, struct site, link);
        struct batch *batch = first_batch(site);

        if (batch == NULL || site->call != NULL) {
            continue;
        }
        if (engine->is_available) {
            send_batch(site, batch);
        } else {
            let_rest(site);
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
        wake_resting(engine);
    }
}

/* --- visits --- */

static struct site *find_site(const struct engine *engine, const char *name)
{
    struct map_node *node;

    if (engine->latest != NULL && strcmp(engine->latest->name, name) == 0) {
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
    list_init(&site->batches);
    ledger_begin(&site->ledger);
    strncpy(site->name, name, STORE_SITE_MAX);
    map_insert(&engine->sites, &site->node, site->name, strlen(site->name));
    return site;
}

/* the batch that a visit of now joins */
static struct batch *open_batch(struct site *site)
{
    uint64_t hour = clock_wall_ms() / MS_PER_HOUR;
    struct batch *last = container_of(site->batches.prev, struct batch, link);

    if (list_is_empty(&site->batches) || !batch_takes(last, hour)) {
        last = batch_create(hour);
        list_append(&site->batches, &last->link);
    }
    return last;
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
    batch_add(open_batch(site), page, page_length, visit);
    if (site->call == NULL && list_is_empty(&site->link)) {
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
    store_health(store, &health);
    engine->is_available = health.available;
    engine->away_since_ms = clock_monotonic_ms();
    store_listen(store, on_store_change, engine);
    return engine;
}

static void destroy_site(struct site *site)
{
    if (site->call != NULL) {
        /* the store still has the batch: it goes when the call ends */
        list_remove(&site->call->batch->link);
        site->call->site = NULL;
    }
    while (!list_is_empty(&site->batches)) {
        struct batch *batch = first_batch(site);

        list_remove(&batch->link);
        batch_destroy(batch);
    }
    map_remove(&site->engine->sites, &site->node);
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
        if (!list_is_empty(&container_of(node, struct site, node)->batches)) {
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
