/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"

#include "base/asset.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ASSET(redis_read_lua, "src/store/redis/read.lua");
ASSET_DECLARE(redis_read_lua);

/* members of hits that are no pages: the site and the mark */
#define HIDDEN_COUNT 2

/* the approximate number of members that one step of a scan examines */
#define SCAN_COUNT 1000

/* returns why a read failed; reads change nothing, so a lost reply also counts as refused */
static const char *reason_of(struct redis_request *request, const redisReply *reply,
                             const char *reason)
{
    redis_request_failure(request, reply, reason, &reason);
    return reason;
}

static uint64_t *create_numbers(size_t count)
{
    uint64_t *numbers = alloc_zero(count, sizeof(*numbers));

    return numbers;
}

/* parses the answer of read.lua; returns NULL if it is malformed */
static uint64_t *parse_read(const struct redis_request *request, const redisReply *reply)
{
    uint64_t *numbers = create_numbers(request->count);

    if (reply == NULL || reply->type != REDIS_REPLY_STRING ||
        redis_parse_numbers(reply->str, numbers, request->count) == NULL) {
        free(numbers);
        return NULL;
    }
    return numbers;
}

/* parses the answer of ZMSCORE; returns NULL if it is malformed */
static uint64_t *parse_scores(const struct redis_request *request, const redisReply *reply)
{
    uint64_t *numbers;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != request->count) {
        return NULL;
    }
    numbers = create_numbers(request->count);
    for (size_t i = 0; i < request->count; i++) {
        const redisReply *score = reply->element[i];

        numbers[i] = score->type == REDIS_REPLY_STRING ? strtoull(score->str, NULL, 10) : 0;
    }
    return numbers;
}

/* --- numbers of pages --- */

/* most arguments for keys and pages; the others are the command, the script and so on */
#define READ_ARGUMENTS_MAX (REDIS_ARGUMENTS_MAX - 16)

/* a part of the pages of a query that fits into one command */
struct reading_part {
    struct redis_request request;
    struct reading *reading;
    size_t first;
};

/* an open query */
struct reading {
    const struct store_query *query;
    store_on_read on_read;
    void *data;
    uint64_t *numbers;
    size_t open_count; /* parts in flight */
    bool has_failed;
    char reason[256]; /* of the first part that failed */
    struct reading_part parts[];
};

static void end_reading(struct reading *reading)
{
    struct store_read read = {.outcome = STORE_OK, .numbers = reading->numbers};

    if (reading->has_failed) {
        read = (struct store_read){.outcome = STORE_REFUSED, .reason = reading->reason};
    }
    reading->on_read(reading->data, &read);
    free(reading->numbers);
    free(reading);
}

static void finish_part(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct reading_part *part = container_of(request, struct reading_part, request);
    struct reading *reading = part->reading;
    uint64_t *numbers = reading->query->kind == STORE_TOTALS ? parse_scores(request, reply)
                                                             : parse_read(request, reply);

    if (numbers != NULL) {
        memcpy(reading->numbers + part->first, numbers, request->count * sizeof(numbers[0]));
        free(numbers);
    } else {
        reason =
            reason_of(request, reply, reason); /* may reset the link, which ends the other parts */
        if (!reading->has_failed) {
            snprintf(reading->reason, sizeof(reading->reason), "%s", reason);
        }
        reading->has_failed = true;
    }
    if (--reading->open_count == 0) {
        end_reading(reading);
    }
}

static void add_script(struct redis_command *command, size_t key_count)
{
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_read_lua);
    redis_command_add_u64(command, key_count);
}

static void add_days_keys(struct redis_store *store, const struct store_query *query)
{
    add_script(&store->command, query->to_day - query->from_day + 1);
    for (uint64_t day = query->from_day; day <= query->to_day; day++) {
        redis_add_day_key(store, query->site, day);
    }
    redis_command_add_text(&store->command, "DAYS");
}

static void add_uniques(struct redis_store *store, const struct store_query *query,
                        const struct store_entry *pages, size_t count)
{
    uint64_t days = query->to_day - query->from_day + 1;

    add_script(&store->command, days * count);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t day = query->from_day; day <= query->to_day; day++) {
            redis_add_visitors_key(store, query->site, day, pages[i].page, pages[i].page_length);
        }
    }
    redis_command_add_text(&store->command, "VISITORS");
    redis_command_add_u64(&store->command, days);
}

static void send_part(struct reading_part *part)
{
    const struct store_query *query = part->reading->query;
    const struct store_entry *pages = query->pages + part->first;
    struct redis_store *store = part->request.store;
    size_t count = part->request.count;

    if (query->kind == STORE_UNIQUES) {
        add_uniques(store, query, pages, count);
    } else {
        if (query->kind == STORE_TOTALS) {
            redis_command_begin(&store->command, "ZMSCORE");
            redis_add_key(&store->command, query->site, "hits");
        } else {
            add_days_keys(store, query);
        }
        for (size_t i = 0; i < count; i++) {
            redis_command_add(&store->command, pages[i].page, pages[i].page_length);
        }
    }
    redis_request_send(&part->request);
}

/* returns how many pages fit into one command */
static size_t pages_per_part(const struct store_query *query)
{
    size_t days = query->to_day - query->from_day + 1;

    switch (query->kind) {
    case STORE_DAYS:
        return READ_ARGUMENTS_MAX - days;
    case STORE_UNIQUES:
        return READ_ARGUMENTS_MAX / days;
    default:
        return READ_ARGUMENTS_MAX;
    }
}

void redis_read(struct store *store, const struct store_query *query, store_on_read on_read,
                void *data)
{
    size_t per_part = pages_per_part(query);
    size_t part_count = (query->page_count + per_part - 1) / per_part;
    struct reading *reading =
        alloc_zero(1, sizeof(*reading) + part_count * sizeof(reading->parts[0]));

    reading->query = query;
    reading->on_read = on_read;
    reading->data = data;
    reading->numbers = create_numbers(query->page_count);
    reading->open_count = part_count;
    for (size_t i = 0; i < part_count; i++) {
        struct reading_part *part = &reading->parts[i];
        size_t left = query->page_count - i * per_part;

        redis_request_init(&part->request, store, NULL, finish_part);
        part->reading = reading;
        part->first = i * per_part;
        part->request.count = left < per_part ? left : per_part;
        send_part(part);
    }
}

/* --- series --- */

static void finish_series(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    uint64_t *numbers = parse_read(request, reply);
    struct store_series series = {.outcome = STORE_OK, .numbers = numbers, .count = request->count};

    if (numbers == NULL) {
        series = (struct store_series){.outcome = STORE_REFUSED,
                                       .reason = reason_of(request, reply, reason)};
    }
    request->on_series(request->data, &series);
    free(numbers);
    free(request);
}

static void add_step_key(struct redis_store *store, const struct store_span *span, uint64_t step)
{
    if (span->is_unique) {
        redis_add_visitors_key(store, span->site, step, span->page, span->page_length);
    } else if (span->step == STORE_BY_DAY) {
        redis_add_day_key(store, span->site, step);
    } else {
        redis_add_hour_key(store, span->site, step);
    }
}

void redis_series(struct store *store, const struct store_span *span, store_on_series on_series,
                  void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_series);
    struct redis_command *command = &request->store->command;

    request->on_series = on_series;
    request->count = span->to - span->from + 1;
    add_script(command, request->count);
    for (uint64_t step = span->from; step <= span->to; step++) {
        add_step_key(request->store, span, step);
    }
    if (span->is_unique) {
        redis_command_add_text(command, "VISITORS");
        redis_command_add_text(command, "1");
    } else {
        redis_command_add_text(command, "SERIES");
        redis_command_add(command, span->page, span->page_length);
    }
    redis_request_send(request);
}

/* --- lists of pages --- */

/* whether a member of hits is no page but the site itself or the mark of proof.lua */
static bool is_hidden(const redisReply *member)
{
    return member->len == 0 || *member->str == '\1';
}

/* parses page, total, page, total …; leaves out hidden members. The caller frees the result */
static struct store_page *parse_pages(const redisReply *reply, size_t *ret_count)
{
    struct store_page *pages = alloc_zero(reply->elements / 2 + 1, sizeof(*pages));
    size_t count = 0;

    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *page = reply->element[i];
        const redisReply *total = reply->element[i + 1];

        if (page->type == REDIS_REPLY_STRING && total->type == REDIS_REPLY_STRING &&
            !is_hidden(page)) {
            pages[count++] =
                (struct store_page){page->str, (size_t)page->len, strtoull(total->str, NULL, 10)};
        }
    }
    *ret_count = count;
    return pages;
}

static void end_pages(struct redis_request *request, const redisReply *list, const char *next)
{
    struct store_pages answer = {.outcome = STORE_OK, .next = next};
    struct store_page *pages = parse_pages(list, &answer.count);

    answer.pages = pages;
    if (request->count != 0 && answer.count > request->count) {
        answer.count = request->count;
    }
    request->on_pages(request->data, &answer);
    free(pages);
    free(request);
}

static void fail_pages(struct redis_request *request, const redisReply *reply, const char *reason)
{
    request->on_pages(request->data,
                      &(struct store_pages){.outcome = STORE_REFUSED,
                                            .reason = reason_of(request, reply, reason)});
    free(request);
}

static void finish_top(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        end_pages(request, reply, NULL);
    } else {
        fail_pages(request, reply, reason);
    }
}

void redis_top(struct store *store, const char *site, size_t count, store_on_pages on_pages,
               void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_top);
    struct redis_command *command = &request->store->command;

    require(count <= STORE_LIST_MAX);
    request->on_pages = on_pages;
    request->count = count;
    redis_command_begin(command, "ZREVRANGE");
    redis_add_key(command, site, "hits");
    redis_command_add_text(command, "0");
    redis_command_add_u64(command, count - 1 + HIDDEN_COUNT);
    redis_command_add_text(command, "WITHSCORES");
    redis_request_send(request);
}

static void finish_scan(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING &&
        reply->element[1]->type == REDIS_REPLY_ARRAY) {
        const char *cursor = reply->element[0]->str;

        end_pages(request, reply->element[1], strcmp(cursor, "0") != 0 ? cursor : NULL);
    } else {
        fail_pages(request, reply, reason);
    }
}

void redis_scan(struct store *store, const char *site, const char *after, store_on_pages on_pages,
                void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_scan);
    struct redis_command *command = &request->store->command;

    request->on_pages = on_pages;
    redis_command_begin(command, "ZSCAN");
    redis_add_key(command, site, "hits");
    redis_command_add_text(command, *after != '\0' ? after : "0");
    redis_command_add_text(command, "COUNT");
    redis_command_add_u64(command, SCAN_COUNT);
    redis_request_send(request);
}

/* --- sites --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void end_sites(struct redis_request *request, const redisReply *reply)
{
    struct store_sites sites = {.outcome = STORE_OK};
    const char **names = alloc_zero(reply->elements + 1, sizeof(*names));

    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            names[sites.count++] = reply->element[i]->str;
        }
    }
    qsort(names, sites.count, sizeof(*names), compare_names);
    sites.names = names;
    request->on_sites(request->data, &sites);
    free(names);
}

static void finish_sites(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        end_sites(request, reply);
    } else {
        request->on_sites(request->data,
                          &(struct store_sites){.outcome = STORE_REFUSED,
                                                .reason = reason_of(request, reply, reason)});
    }
    free(request);
}

void redis_sites(struct store *store, store_on_sites on_sites, void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_sites);
    struct redis_command *command = &request->store->command;

    request->on_sites = on_sites;
    redis_command_begin(command, "SMEMBERS");
    redis_command_add_text(command, REDIS_SITES_KEY);
    redis_request_send(request);
}
