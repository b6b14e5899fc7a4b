/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_store.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite/sqlite_store_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000

/* how often the store looks whether expired rows must be deleted although no visit comes */
#define SWEEP_LOOK_MS 5000

/* the same after a transaction that may have left some */
#define SWEEP_AGAIN_MS 100

#define MS_PER_HOUR 3600000

/* a log of more pages is emptied, for which reads have to wait: 32 MiB */
#define LOG_PAGES_MAX 8192

/* an unchanged error is logged again after this time */
#define LOG_AGAIN_MS 60000

static void answer_all(struct sqlite_store *store, struct list *calls)
{
    struct list *link;

    while ((link = list_pop_first(calls)) != NULL) {
        struct waiting_call *call = container_of(link, struct waiting_call, sql.link);

        store->call_count--;
        sqlite_store_tell(store, &call->sql);
        waiting_call_answer(call);
        waiting_call_destroy(call);
    }
}

static bool has_work(const struct sqlite_store *store)
{
    return !list_is_empty(&store->waiting) || store->wants_to_open || store->wants_to_sweep ||
           store->wants_to_empty_log;
}

static void submit(struct sqlite_store *store)
{
    if (store->in_flight || !has_work(store)) {
        return;
    }
    list_move_all(&store->running, &store->waiting);
    store->opening = store->wants_to_open;
    store->wants_to_open = false;
    store->sweeping = store->wants_to_sweep;
    store->wants_to_sweep = false;
    store->emptying_log = store->wants_to_empty_log;
    store->wants_to_empty_log = false;
    store->in_flight = true;
    store->submitted_at_us = clock_monotonic_us();
    disk_submit(store->disk, &store->job);
}

/* submits at the end of the turn, so that calls of one turn share a transaction */
static void on_submit(struct loop_task *task)
{
    submit(container_of(task, struct sqlite_store, submit));
}

/* expired rows are deleted with visits; without any, this does it once an hour */
static void on_sweep_look(struct loop_timer *timer)
{
    struct sqlite_store *store = container_of(timer, struct sqlite_store, sweep_look);

    if (!store->in_flight && store->health.available &&
        sqlite_file_status(store->file)->erased_hour != clock_wall_ms() / MS_PER_HOUR) {
        store->wants_to_sweep = true;
        submit(store);
    }
    loop_timer_start(store->loop, timer, SWEEP_LOOK_MS);
}

static void on_retry(struct loop_timer *timer)
{
    struct sqlite_store *store = container_of(timer, struct sqlite_store, retry);

    store->wants_to_open = true;
    submit(store);
}

/* full jitter: a random delay up to a limit that doubles with each failure */
static uint64_t draw_delay_ms(unsigned failures)
{
    uint64_t limit_ms = failures < 7 ? (uint64_t)BACKOFF_MIN_MS << failures : BACKOFF_MAX_MS;
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0) {
        random = clock_monotonic_us();
    }
    return 1 + random % (limit_ms < BACKOFF_MAX_MS ? limit_ms : BACKOFF_MAX_MS);
}

static void retry_later(struct sqlite_store *store, const char *error)
{
    uint64_t delay_ms = draw_delay_ms(store->failures);
    uint64_t now_ms = loop_now_ms(store->loop);

    store->failures++;
    loop_timer_start(store->loop, &store->retry, delay_ms);
    if (store->health.available || strcmp(error, store->health.last_error) != 0 ||
        now_ms - store->logged_at_ms >= LOG_AGAIN_MS) {
        log_warning("sqlite %s: %s; retrying in %" PRIu64 " ms", store->path, error, delay_ms);
        store->logged_at_ms = now_ms;
    }
}

static void set_available(struct sqlite_store *store, bool available)
{
    if (store->health.available == available) {
        return;
    }
    store->health.available = available;
    store->health.changed_at_ms = loop_now_ms(store->loop);
    if (available) {
        log_info("sqlite %s: ready", store->path);
    }
    store_notify(&store->store, available);
}

/* logs once that history is kept longer than configured */
static void tell_of_clock(struct sqlite_store *store, bool is_far)
{
    if (is_far && !store->is_clock_far) {
        log_warning("sqlite %s: the wall clock is more than 31 days after the newest day with "
                    "visits; no numbers by day or hour are deleted until visits on three days "
                    "confirm it; is the clock right?",
                    store->path);
    }
    store->is_clock_far = is_far;
}

/* updates the store from the file's status after a job */
static void update(struct sqlite_store *store)
{
    const struct sqlite_file_status *status = sqlite_file_status(store->file);
    struct store_health *health = &store->health;

    if (status->commits != store->commits) {
        store->commits = status->commits;
        store->failures = 0;
    }
    if (status->ready) {
        loop_timer_stop(&store->retry);
    } else if (!loop_timer_is_active(&store->retry) && !store->wants_to_open) {
        retry_later(store, status->error);
    }
    snprintf(health->last_error, sizeof(health->last_error), "%s", status->error);
    health->connects = status->opens;
    health->commands = status->transactions;
    health->round_trip_us = clock_monotonic_us() - store->submitted_at_us;
    health->state = status->ready ? "ready" : "down";
    tell_of_clock(store, status->is_clock_far);
    set_available(store, status->ready);
}

/* runs on the disk thread */
static void work(struct disk_job *job)
{
    struct sqlite_store *store = container_of(job, struct sqlite_store, job);

    if (store->opening) {
        sqlite_file_open(store->file);
    }
    if (!list_is_empty(&store->running)) {
        sqlite_calls_run(store->file, &store->running);
    }
    if (store->emptying_log) {
        (void)sqlite_file_empty_log(store->file); /* the status says whether it is still used */
    }
    if (store->sweeping) {
        sqlite_file_sweep_alone(store->file);
    }
}

/* --- the log --- */

/* no read runs any more */
static void on_reader_idle(void *data)
{
    struct sqlite_store *store = data;

    if (store->is_reader_held) {
        store->wants_to_empty_log = true;
        loop_task_schedule(store->loop, &store->submit);
    }
}

static void end_emptying(struct sqlite_store *store, const struct sqlite_file_status *status)
{
    store->emptied_at_ms = loop_now_ms(store->loop);
    store->is_reader_held = false;
    sqlite_reader_release(store->reader);
    if (!status->is_log_used) {
        store->log_pages_max = LOG_PAGES_MAX;
    } else if (status->log_pages > store->log_pages_max) {
        store->log_pages_max = 2 * status->log_pages; /* another process uses it */
    }
}

/*
 * Holds reads back while the log has to be emptied: it is long, because reads kept it from
 * beginning anew, or it has rows that were erased.
 */
static void look_at_log(struct sqlite_store *store)
{
    const struct sqlite_file_status *status = sqlite_file_status(store->file);
    bool is_used =
        status->is_log_used && loop_now_ms(store->loop) - store->emptied_at_ms >= SWEEP_AGAIN_MS;

    if (!store->is_tried) {
        store->is_tried = true;
        sqlite_reader_release(store->reader);
    } else if (store->emptying_log) {
        end_emptying(store, status);
    } else if (!store->is_reader_held && (is_used || status->log_pages > store->log_pages_max)) {
        store->is_reader_held = true;
        if (sqlite_reader_hold(store->reader)) {
            on_reader_idle(store);
        }
    }
}

static void on_work_done(struct disk_job *job)
{
    struct sqlite_store *store = container_of(job, struct sqlite_store, job);

    if (store->destroyed) {
        return; /* destroy() has answered the calls; on_closed() follows */
    }
    store->in_flight = false;
    update(store);
    look_at_log(store);
    if (store->sweeping) {
        loop_timer_start(store->loop, &store->sweep_look, SWEEP_AGAIN_MS);
    }
    answer_all(store, &store->running);
    if (has_work(store)) {
        loop_task_schedule(store->loop, &store->submit);
    }
}

/* runs on the disk thread, after all other jobs */
static void work_close(struct disk_job *job)
{
    struct sqlite_store *store = container_of(job, struct sqlite_store, closing);

    sqlite_file_close(store->file);
    sem_post(&store->closed);
}

static void on_closed(struct disk_job *job)
{
    struct sqlite_store *store = container_of(job, struct sqlite_store, closing);

    sqlite_file_destroy(store->file);
    watchlist_finish(&store->watched);
    sem_destroy(&store->closed);
    free(store->path);
    free(store);
}

/* --- the store itself --- */

static void health(struct store *base, struct store_health *ret_health)
{
    struct sqlite_store *store = sqlite_store_of(base);

    *ret_health = store->health;
    ret_health->in_flight = store->call_count;
    if (store->reader != NULL) {
        ret_health->in_flight += sqlite_reader_count(store->reader);
        ret_health->commands += sqlite_reader_transactions(store->reader);
    }
}

/*
 * Waits for the disk thread, which still reads memory of the callers. The store is freed when the
 * disk reports its last job as done.
 */
static void destroy(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);

    loop_task_cancel(&store->submit);
    loop_timer_stop(&store->retry);
    loop_timer_stop(&store->poll);
    loop_timer_stop(&store->sweep_look);
    store->destroyed = true;
    sqlite_reader_destroy(store->reader); /* before the last connection, which empties the log */
    store->reader = NULL;
    sqlite_backup_cancel(store->backup);
    disk_submit(store->disk, &store->closing);
    while (sem_wait(&store->closed) != 0) {
        continue; /* EINTR */
    }
    answer_all(store, &store->running);
    while (!list_is_empty(&store->waiting)) { /* again: an answer may have led to a call */
        list_move_all(&store->running, &store->waiting);
        sqlite_calls_end(&store->running, STORE_REFUSED, "the store is closed");
        answer_all(store, &store->running);
    }
}

static const struct store_operations operations = {
    .apply = sqlite_store_apply,
    .read = sqlite_store_read,
    .series = sqlite_store_series,
    .top = sqlite_store_top,
    .scan = sqlite_store_scan,
    .sites = sqlite_store_sites,
    .count = sqlite_store_count,
    .ledger = sqlite_store_ledger,
    .edit = sqlite_store_edit,
    .admit = sqlite_store_admit,
    .salt = sqlite_store_salt,
    .watch = sqlite_store_watch,
    .unwatch = sqlite_store_unwatch,
    .backup = sqlite_store_backup,
    .cancel_backup = sqlite_store_cancel_backup,
    .health = health,
    .destroy = destroy,
};

const char *sqlite_store_library_version(void)
{
    return sqlite_file_library_version();
}

struct store *sqlite_store_create(struct loop *loop, struct disk *disk,
                                  const struct sqlite_store_options *options)
{
    struct sqlite_store *store = alloc_zero(1, sizeof(*store));

    store->path = alloc_text(options->path);
    if (sem_init(&store->closed, 0, 0) != 0) {
        abort();
    }
    store->store.operations = &operations;
    store->store.client_window_s = STORE_WINDOW_CLIENT_S;
    store->loop = loop;
    store->disk = disk;
    store->file = sqlite_file_create(options);
    store->reader = sqlite_reader_create(loop, options, on_reader_idle, store);
    store->log_pages_max = LOG_PAGES_MAX;
    store->job = (struct disk_job){.work = work, .done = on_work_done};
    store->closing = (struct disk_job){.work = work_close, .done = on_closed};
    list_init(&store->running);
    list_init(&store->waiting);
    loop_task_init(&store->submit, on_submit);
    loop_timer_init(&store->retry, on_retry);
    loop_timer_init(&store->sweep_look, on_sweep_look);
    loop_timer_start(loop, &store->sweep_look, SWEEP_LOOK_MS);
    sqlite_store_init_watch(store);
    store->health = (struct store_health){.backend = "sqlite",
                                          .state = "opening",
                                          .changed_at_ms = loop_now_ms(loop),
                                          .replicated_before_ms = UINT64_MAX};
    snprintf(store->health.address, sizeof(store->health.address), "%s", options->path);
    snprintf(store->health.version, sizeof(store->health.version), "%s",
             sqlite_file_library_version());
    store->wants_to_open = true;
    submit(store);
    return &store->store;
}
