/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_store.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "store/salt.h"
#include "store/sqlite/sqlite_backup.h"
#include "store/sqlite/sqlite_file.h"
#include "store/sqlite/sqlite_reader.h"
#include "store/sqlite/sqlite_waiting.h"
#include "store/watchlist.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000

/* how often a watched file is polled for changes by other processes */
#define POLL_MS 500

/* how often the store looks whether expired rows must be deleted although no visit comes */
#define SWEEP_LOOK_MS 5000

/* the same after a transaction that may have left some */
#define SWEEP_AGAIN_MS 100

#define MS_PER_HOUR 3600000

/* a log of more pages is emptied, for which reads have to wait: 32 MiB */
#define LOG_PAGES_MAX 8192

/* an unchanged error is logged again after this time */
#define LOG_AGAIN_MS 60000

/*
 * While a job is in flight, the disk thread owns `file` and `running`. Calls that arrive meanwhile
 * queue in `waiting` and share the transaction of the next job. Reads go to `reader` instead.
 */
struct sqlite_store {
    struct store store;
    struct loop *loop;
    struct disk *disk;
    struct sqlite_file *file;
    char *path;

    struct disk_job job;
    bool in_flight;
    bool opening;            /* the job in flight opens the file first */
    bool wants_to_open;      /* the next job opens the file first */
    bool sweeping;           /* the job in flight deletes expired rows */
    bool wants_to_sweep;     /* the next job does */
    bool emptying_log;       /* the job in flight empties the log, and no read runs */
    bool wants_to_empty_log; /* the next job does */
    bool is_tried;           /* the file was opened, or could not be; reads begin then */
    bool is_reader_held;     /* until the log was emptied */
    int log_pages_max;       /* the log is emptied when it is longer */
    uint64_t emptied_at_ms;  /* the last attempt */
    struct loop_timer sweep_look;
    struct list running;
    struct list waiting;
    size_t call_count; /* in `waiting` and `running` */
    struct loop_task submit;
    uint64_t submitted_at_us;

    struct loop_timer retry;
    unsigned failures; /* consecutive, without a commit between them */
    uint64_t commits;
    uint64_t logged_at_ms;
    bool is_clock_far; /* as last logged */
    struct store_health health;

    struct sqlite_backup *backup; /* running, or NULL */
    struct sqlite_reader *reader;

    struct watchlist watched;
    struct loop_timer poll;
    uint64_t version; /* of the file, at the last poll */

    struct disk_job closing;
    bool destroyed;
    sem_t closed;
};

static struct sqlite_store *sqlite_store_of(struct store *store)
{
    return container_of(store, struct sqlite_store, store);
}

/* --- live --- */

static void look_again(void *data, const char *site)
{
    store_notify_visits(data, site, NULL);
}

/* reports the totals that a batch of this process changed; the poll finds those of others */
static void tell_batch(struct sqlite_store *store, const struct sqlite_call *call)
{
    const struct store_batch *batch = &call->batch;
    struct store_page page = {.page = "", .page_length = 0, .total = call->site_total};

    if (call->site_total == 0 || !watchlist_has(&store->watched, batch->site)) {
        return;
    }
    store_notify_visits(&store->store, batch->site, &page);
    for (size_t i = 0; i < batch->entry_count; i++) {
        page = (struct store_page){batch->entries[i].page, batch->entries[i].page_length,
                                   call->answer.totals[i]};
        if (page.total != STORE_NONE && watchlist_has(&store->watched, batch->site)) {
            store_notify_visits(&store->store, batch->site, &page);
        }
    }
}

static void tell(struct sqlite_store *store, const struct sqlite_call *call)
{
    if (call->outcome != STORE_OK || watchlist_is_empty(&store->watched)) {
        return;
    }
    if (call->kind == SQLITE_CALL_APPLY) {
        tell_batch(store, call);
    } else if (call->kind == SQLITE_CALL_EDIT && watchlist_has(&store->watched, call->edit->site)) {
        look_again(&store->store, call->edit->site);
    }
}

static void answer_all(struct sqlite_store *store, struct list *calls)
{
    struct list *link;

    while ((link = list_pop_first(calls)) != NULL) {
        struct waiting_call *call = container_of(link, struct waiting_call, sql.link);

        store->call_count--;
        tell(store, &call->sql);
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

/* --- calls --- */

/* adds a call to the next job; the caller sets its callback */
static struct waiting_call *add_call(struct sqlite_store *store, struct waiting_call *call)
{
    list_append(&store->waiting, &call->sql.link);
    store->call_count++;
    if (!store->in_flight && !store->destroyed) {
        loop_task_schedule(store->loop, &store->submit);
    }
    return call;
}

static struct waiting_call *add_new(struct store *base, enum sqlite_call_kind kind, size_t count,
                                    void *data)
{
    return add_call(sqlite_store_of(base), waiting_call_create(kind, count, data));
}

/* adds a read whose arguments and callback are set; at the end of the store there is no reader */
static void add_read(struct store *base, struct waiting_call *call, bool for_operator)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (store->reader != NULL) {
        sqlite_reader_add(store->reader, call, for_operator);
    } else {
        add_call(store, call); /* to be refused */
    }
}

static void apply(struct store *base, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    add_call(sqlite_store_of(base), waiting_call_create_apply(batch, data))->on_applied =
        on_applied;
}

static void read_pages(struct store *base, const struct store_query *query, store_on_read on_read,
                       void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_READ, query->page_count, data);

    call->sql.query = query;
    call->on_read = on_read;
    add_read(base, call, query->for_operator);
}

static void read_series(struct store *base, const struct store_span *span,
                        store_on_series on_series, void *data)
{
    struct waiting_call *call =
        waiting_call_create(SQLITE_CALL_SERIES, span->to - span->from + 1, data);

    call->sql.span = span;
    call->on_series = on_series;
    add_read(base, call, span->for_operator);
}

static void read_top(struct store *base, const struct store_ranking *ranking,
                     store_on_pages on_pages, void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_TOP, 0, data);

    call->sql.site = ranking->site;
    call->sql.number = ranking->count;
    call->on_pages = on_pages;
    add_read(base, call, ranking->for_operator);
}

static void scan(struct store *base, const char *site, const char *after, store_on_pages on_pages,
                 void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_SCAN, 0, data);

    call->sql.site = site;
    call->sql.after = after;
    call->on_pages = on_pages;
    add_read(base, call, true);
}

static void read_sites(struct store *base, store_on_sites on_sites, void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_SITES, 0, data);

    call->on_sites = on_sites;
    add_read(base, call, true);
}

static void read_ledger(struct store *base, const char *site, const char *epoch,
                        store_on_ledger on_ledger, void *data)
{
    struct waiting_call *call = add_new(base, SQLITE_CALL_LEDGER, 0, data);

    call->sql.batch.site = site;
    call->sql.batch.epoch = epoch;
    call->on_ledger = on_ledger;
}

static void edit(struct store *base, const struct store_edit *what, store_on_edited on_edited,
                 void *data)
{
    struct waiting_call *call = add_new(base, SQLITE_CALL_EDIT, 2, data);

    call->sql.edit = what;
    call->on_edited = on_edited;
}

static void admit(struct store *base, const char *site, uint64_t limit,
                  store_on_admitted on_admitted, void *data)
{
    struct waiting_call *call = add_new(base, SQLITE_CALL_ADMIT, 0, data);

    call->sql.site = site;
    call->sql.number = limit;
    call->on_admitted = on_admitted;
}

static void read_salt(struct store *base, uint64_t day, store_on_salt on_salt, void *data)
{
    struct waiting_call *call = add_new(base, SQLITE_CALL_SALT, 0, data);

    call->sql.number = day;
    salt_draw(call->sql.salt);
    call->on_salt = on_salt;
}

static void begin_backup(struct store *base, store_on_backup on_backup, void *data)
{
    struct sqlite_store *store = sqlite_store_of(base);

    sqlite_backup_start(&store->backup, store->disk, store->path, on_backup, data);
}

static void cancel_backup(struct store *base, void *data)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (sqlite_backup_is_of(store->backup, data)) {
        sqlite_backup_cancel(store->backup);
    }
}

/* --- watching --- */

static void on_version(void *data, uint64_t version)
{
    struct sqlite_store *store = data;

    if (version != store->version) {
        store->version = version;
        watchlist_for_each(&store->watched, look_again, &store->store);
    }
}

static void on_poll(struct loop_timer *timer)
{
    struct sqlite_store *store = container_of(timer, struct sqlite_store, poll);

    if (watchlist_is_empty(&store->watched)) {
        return;
    }
    if (store->health.available) {
        add_new(&store->store, SQLITE_CALL_VERSION, 0, store)->on_version = on_version;
    }
    loop_timer_start(store->loop, &store->poll, POLL_MS);
}

static void watch(struct store *base, const char *site)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (watchlist_add(&store->watched, site)) {
        store->version = 0; /* no file has version 0, so the next poll reports a change */
        loop_timer_start(store->loop, &store->poll, 0);
    }
}

static void unwatch(struct store *base, const char *site)
{
    watchlist_remove(&sqlite_store_of(base)->watched, site);
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
    .apply = apply,
    .read = read_pages,
    .series = read_series,
    .top = read_top,
    .scan = scan,
    .sites = read_sites,
    .ledger = read_ledger,
    .edit = edit,
    .admit = admit,
    .salt = read_salt,
    .watch = watch,
    .unwatch = unwatch,
    .backup = begin_backup,
    .cancel_backup = cancel_backup,
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
    loop_timer_init(&store->poll, on_poll);
    loop_timer_init(&store->sweep_look, on_sweep_look);
    loop_timer_start(loop, &store->sweep_look, SWEEP_LOOK_MS);
    watchlist_init(&store->watched);
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
