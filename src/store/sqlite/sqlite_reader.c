/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_reader.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/require.h"
#include "loop/disk.h"
#include "store/sqlite/sqlite_file.h"

#include <stdlib.h>
#include <string.h>

/* a job ends after this time or number of reads; then reads of operators can go first */
#define JOB_US    5000
#define JOB_READS 32

/*
 * Reads are answered for this time, then again after a rest. Large answers take long to write: all
 * at once would make visits wait, and without a rest, clients that ask again at once would take
 * most of the loop's time.
 */
#define ANSWERS_US      500
#define ANSWERS_REST_MS 1

/*
 * While a job is in flight, its thread owns `file`, `running` and `finished`. A read waits in one
 * of the queues. `questions` finds it there, so that identical ones join it.
 */
struct sqlite_reader {
    struct loop *loop;
    struct disk *disk;
    struct sqlite_file *file;
    void (*on_idle)(void *data);
    void *data;

    struct disk_job job;
    bool in_flight;
    bool is_held;
    bool is_ending;
    struct list running;
    struct list finished;
    struct list to_answer; /* finished reads; `answers` answers some of them at a time */
    struct loop_timer answers;
    struct list of_operators;
    struct list of_visitors;
    struct map questions;
    struct loop_task submit;
    size_t count;
    uint64_t transactions;
};

static struct waiting_call *call_of(struct list *link)
{
    return container_of(link, struct waiting_call, sql.link);
}

/* --- identical reads --- */

static bool is_same_entry(const struct store_entry *a, const struct store_entry *b)
{
    return a->page_length == b->page_length && memcmp(a->page, b->page, a->page_length) == 0;
}

static bool is_same_query(const struct store_query *a, const struct store_query *b)
{
    if (strcmp(a->site, b->site) != 0 || a->kind != b->kind || a->page_count != b->page_count ||
        a->from_day != b->from_day || a->to_day != b->to_day) {
        return false;
    }
    for (size_t i = 0; i < a->page_count; i++) {
        if (!is_same_entry(&a->pages[i], &b->pages[i])) {
            return false;
        }
    }
    return true;
}

static bool is_same_span(const struct store_span *a, const struct store_span *b)
{
    return strcmp(a->site, b->site) == 0 && a->step == b->step && a->from == b->from &&
           a->to == b->to && a->is_unique == b->is_unique && a->page_length == b->page_length &&
           memcmp(a->page, b->page, a->page_length) == 0;
}

static bool is_same(const struct waiting_call *a, const struct waiting_call *b)
{
    if (a->sql.kind != b->sql.kind || a->for_operator != b->for_operator) {
        return false;
    }
    switch (a->sql.kind) {
    case SQLITE_CALL_READ:
        return is_same_query(a->sql.query, b->sql.query);
    case SQLITE_CALL_SERIES:
        return is_same_span(a->sql.span, b->sql.span);
    case SQLITE_CALL_TOP:
        return strcmp(a->sql.site, b->sql.site) == 0 && a->sql.number == b->sql.number;
    default:
        return false;
    }
}

/* hashes what is_same() compares; different questions may have one hash */
static uint64_t hash_question(const struct waiting_call *call)
{
    const struct store_query *query = call->sql.query;
    const struct store_span *span = call->sql.span;
    uint64_t parts[5] = {call->sql.kind, call->for_operator};

    switch (call->sql.kind) {
    case SQLITE_CALL_READ:
        parts[2] = map_hash_key(query->site, strlen(query->site));
        parts[3] = query->from_day * 3 + query->kind;
        for (size_t i = 0; i < query->page_count; i++) {
            parts[4] =
                parts[4] * 31 + map_hash_key(query->pages[i].page, query->pages[i].page_length);
        }
        break;
    case SQLITE_CALL_SERIES:
        parts[2] = map_hash_key(span->site, strlen(span->site));
        parts[3] = span->from * 2 + span->is_unique;
        parts[4] = map_hash_key(span->page, span->page_length) + span->to;
        break;
    default:
        parts[2] = map_hash_key(call->sql.site, strlen(call->sql.site));
        parts[3] = call->sql.number;
    }
    return map_hash_key((const char *)parts, sizeof(parts));
}

static bool can_share(const struct waiting_call *call)
{
    return call->sql.kind == SQLITE_CALL_READ || call->sql.kind == SQLITE_CALL_SERIES ||
           call->sql.kind == SQLITE_CALL_TOP;
}

static struct waiting_call *find_question(const struct sqlite_reader *reader,
                                          const struct waiting_call *call)
{
    struct map_node *node =
        map_find(&reader->questions, (const char *)&call->hash, sizeof(call->hash));

    return node != NULL ? container_of(node, struct waiting_call, node) : NULL;
}

/* notes a waiting read, so that others join it */
static void note_question(struct sqlite_reader *reader, struct waiting_call *call)
{
    if (can_share(call) && find_question(reader, call) == NULL) {
        map_insert(&reader->questions, &call->node, (const char *)&call->hash, sizeof(call->hash));
        call->is_noted = true;
    }
}

static void forget_question(struct sqlite_reader *reader, struct waiting_call *call)
{
    if (call->is_noted) {
        map_remove(&reader->questions, &call->node);
        call->is_noted = false;
    }
}

/* --- on the thread --- */

/* keeps the reason, which belongs to the file, for the answer */
static void keep_reason(struct sqlite_call *call)
{
    if (call->outcome != STORE_OK && call->own_reason == NULL) {
        call->own_reason = alloc_text(call->reason);
        call->reason = call->own_reason;
    }
}

/* runs one read; once more if the file was replaced, or was not usable any more */
static void run_read(struct sqlite_reader *reader, struct sqlite_call *call)
{
    struct list alone;

    list_init(&alone);
    list_append(&alone, &call->link);
    for (int attempt = 0; attempt < 2; attempt++) {
        sqlite_file_open_to_read(reader->file);
        sqlite_calls_run(reader->file, &alone);
        if (call->outcome == STORE_OK || sqlite_file_is_open(reader->file)) {
            break;
        }
    }
    list_remove(&call->link);
    keep_reason(call);
}

static void work(struct disk_job *job)
{
    struct sqlite_reader *reader = container_of(job, struct sqlite_reader, job);
    uint64_t end_us = clock_monotonic_us() + JOB_US;
    struct list *link;

    while ((link = list_pop_first(&reader->running)) != NULL) {
        run_read(reader, &call_of(link)->sql);
        list_append(&reader->finished, link);
        if (clock_monotonic_us() >= end_us) {
            break;
        }
    }
}

/* --- in the loop --- */

/* answers a follower of the read, or at last the read itself */
static void answer_next(struct sqlite_reader *reader, struct list *calls)
{
    struct waiting_call *call = call_of(calls->next);
    struct list *link = list_pop_first(&call->followers);

    reader->count--;
    if (link != NULL) {
        struct waiting_call *follower = container_of(link, struct waiting_call, of_leader);

        waiting_call_answer_as(follower, call);
        waiting_call_destroy(follower);
        return;
    }
    list_remove(&call->sql.link);
    waiting_call_answer(call);
    waiting_call_destroy(call);
}

static void answer_all(struct sqlite_reader *reader, struct list *calls)
{
    while (!list_is_empty(calls)) {
        answer_next(reader, calls);
    }
}

static void answer_some(struct sqlite_reader *reader)
{
    uint64_t end_us = clock_monotonic_us() + ANSWERS_US;

    while (!list_is_empty(&reader->to_answer)) {
        answer_next(reader, &reader->to_answer);
        if (clock_monotonic_us() >= end_us) {
            break;
        }
    }
    if (!list_is_empty(&reader->to_answer)) {
        loop_timer_start(reader->loop, &reader->answers, ANSWERS_REST_MS);
    }
}

static void on_answers(struct loop_timer *timer)
{
    answer_some(container_of(timer, struct sqlite_reader, answers));
}

/* returns the queue from which the next read comes; it may be empty */
static struct list *next_queue(struct sqlite_reader *reader)
{
    return list_is_empty(&reader->of_operators) ? &reader->of_visitors : &reader->of_operators;
}

static void submit(struct sqlite_reader *reader)
{
    struct list *link;

    if (reader->in_flight || reader->is_held) {
        return;
    }
    for (int i = 0; i < JOB_READS; i++) {
        link = list_pop_first(next_queue(reader));
        if (link == NULL) {
            break;
        }
        /* from now on the read may begin at any time, so a later one must not join it */
        forget_question(reader, call_of(link));
        list_append(&reader->running, link);
    }
    if (!list_is_empty(&reader->running)) {
        reader->in_flight = true;
        disk_submit(reader->disk, &reader->job);
    }
}

/* at the end of the turn, so that identical reads of one turn are found */
static void on_submit(struct loop_task *task)
{
    submit(container_of(task, struct sqlite_reader, submit));
}

/* puts reads that the job had no time for back in front of the others */
static void put_back(struct sqlite_reader *reader)
{
    while (!list_is_empty(&reader->running)) {
        struct waiting_call *call = call_of(reader->running.prev);
        struct list *queue = call->for_operator ? &reader->of_operators : &reader->of_visitors;

        list_remove(&call->sql.link);
        list_insert_before(queue->next, &call->sql.link);
        note_question(reader, call);
    }
}

static void on_work_done(struct disk_job *job)
{
    struct sqlite_reader *reader = container_of(job, struct sqlite_reader, job);
    struct list *link;

    while ((link = list_pop_first(&reader->finished)) != NULL) {
        list_append(&reader->to_answer, link);
    }
    reader->in_flight = false;
    reader->transactions = sqlite_file_status(reader->file)->transactions;
    put_back(reader);
    if (reader->is_ending) {
        answer_all(reader, &reader->to_answer);
        return;
    }
    submit(reader); /* before the answers, so that the thread works meanwhile */
    if (reader->is_held && !reader->in_flight) {
        reader->on_idle(reader->data);
    }
    if (!loop_timer_is_active(&reader->answers)) {
        answer_some(reader);
    }
}

void sqlite_reader_add(struct sqlite_reader *reader, struct waiting_call *call, bool for_operator)
{
    struct waiting_call *leader;

    reader->count++;
    call->for_operator = for_operator;
    if (can_share(call)) {
        call->hash = hash_question(call);
        leader = find_question(reader, call);
        if (leader != NULL && is_same(leader, call)) {
            list_append(&leader->followers, &call->of_leader);
            return;
        }
        note_question(reader, call);
    }
    list_append(for_operator ? &reader->of_operators : &reader->of_visitors, &call->sql.link);
    if (!reader->in_flight && !reader->is_held) {
        loop_task_schedule(reader->loop, &reader->submit);
    }
}

bool sqlite_reader_hold(struct sqlite_reader *reader)
{
    reader->is_held = true;
    return !reader->in_flight;
}

void sqlite_reader_release(struct sqlite_reader *reader)
{
    reader->is_held = false;
    loop_task_schedule(reader->loop, &reader->submit);
}

size_t sqlite_reader_count(const struct sqlite_reader *reader)
{
    return reader->count;
}

uint64_t sqlite_reader_transactions(const struct sqlite_reader *reader)
{
    return reader->transactions;
}

struct sqlite_reader *sqlite_reader_create(struct loop *loop,
                                           const struct sqlite_store_options *options,
                                           void (*on_idle)(void *data), void *data)
{
    struct sqlite_reader *reader = alloc_zero(1, sizeof(*reader));

    reader->loop = loop;
    reader->disk = disk_create(loop);
    reader->file = sqlite_file_create(options);
    reader->on_idle = on_idle;
    reader->data = data;
    reader->is_held = true;
    reader->job = (struct disk_job){.work = work, .done = on_work_done};
    list_init(&reader->running);
    list_init(&reader->finished);
    list_init(&reader->to_answer);
    list_init(&reader->of_operators);
    list_init(&reader->of_visitors);
    map_init(&reader->questions);
    loop_task_init(&reader->submit, on_submit);
    loop_timer_init(&reader->answers, on_answers);
    return reader;
}

static void refuse_waiting(struct sqlite_reader *reader)
{
    struct list *queue;

    while (!list_is_empty(queue = next_queue(reader))) { /* again: an answer may lead to a read */
        struct waiting_call *call = call_of(queue->next);

        forget_question(reader, call);
        call->sql.outcome = STORE_REFUSED;
        call->sql.reason = "the store is closed";
        list_remove(&call->sql.link);
        list_append(&reader->to_answer, &call->sql.link);
        answer_all(reader, &reader->to_answer);
    }
}

void sqlite_reader_destroy(struct sqlite_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    reader->is_ending = true;
    reader->is_held = true;
    loop_task_cancel(&reader->submit);
    loop_timer_stop(&reader->answers);
    disk_destroy(reader->disk); /* waits for the job, and answers its reads */
    answer_all(reader, &reader->to_answer);
    sqlite_file_close(reader->file);
    refuse_waiting(reader);
    loop_task_cancel(&reader->submit);
    loop_timer_stop(&reader->answers);
    require(reader->count == 0);
    sqlite_file_destroy(reader->file);
    map_finish(&reader->questions);
    free(reader);
}
