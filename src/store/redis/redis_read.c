/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/redis_scripts.h"

#include "base/asset.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ASSET(redis_read_lua, "src/store/redis/read.lua");
ASSET_DECLARE(redis_read_lua);

/* returns why a read failed; reads change nothing, so a lost reply also counts as refused */
static const char *reason_of(struct redis_request *request, const redisReply *reply,
                             const char *reason)
{
    redis_request_failure(request, reply, reason, &reason);
    return reason;
}

/* --- numbers --- */

struct reading;

/*
 * A part of a reading: some pages, and some of their days. It reads one number per page, or one per
 * day if the reading is a series.
 */
struct reading_part {
    struct redis_request request; /* its `count`: the numbers of the part */
    struct reading *reading;
    size_t first; /* index of the first number */
    const struct store_entry *pages;
    size_t page_count;
    uint64_t from; /* days or hours */
    uint64_t to;
};

/* an open query or series; it visits its pages in blocks, and the days of each block in order */
struct reading {
    struct redis_read_turn turn;
    struct redis_store *store;
    struct store_query query;      /* a series: one page, and its steps as days */
    struct store_entry page;       /* of a series */
    const struct store_span *span; /* of a series, else NULL */
    store_on_read on_read;         /* unless it is a series */
    store_on_series on_series;
    void *data;
    uint64_t *numbers;
    size_t next_page; /* of the next part */
    uint64_t next_day;
    size_t open_count; /* parts without a reply */
    bool is_sent;      /* all parts were */
    bool has_failed;
    char reason[256]; /* of the first part that failed */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static uint64_t step_count(const struct store_span *span)
{
    return span->to - span->from + 1;
}

static void end_reading(struct reading *reading)
{
    enum store_outcome outcome = reading->has_failed ? STORE_REFUSED : STORE_OK;
    const uint64_t *numbers = reading->has_failed ? NULL : reading->numbers;
    const char *reason = reading->has_failed ? reading->reason : NULL;

    if (reading->span != NULL) {
        reading->on_series(reading->data, &(struct store_series){
                                              outcome, numbers, step_count(reading->span), reason});
    } else {
        reading->on_read(reading->data, &(struct store_read){outcome, numbers, reason});
    }
    free(reading->numbers);
    free(reading);
}

/* adds the numbers of an answer of read.lua; returns false if it is malformed */
static bool add_numbers(const struct reading_part *part, const redisReply *reply)
{
    uint64_t numbers[REDIS_READS_NUMBERS_MAX];
    size_t count = part->request.count;

    require(count <= REDIS_READS_NUMBERS_MAX);
    if (reply == NULL || reply->type != REDIS_REPLY_STRING ||
        redis_request_parse_numbers(reply->str, numbers, count) == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        part->reading->numbers[part->first + i] += numbers[i];
    }
    return true;
}

/* sets the numbers of an answer of ZMSCORE; returns false if it is malformed */
static bool set_totals(const struct reading_part *part, const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != part->request.count) {
        return false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *score = reply->element[i];

        part->reading->numbers[part->first + i] =
            score->type == REDIS_REPLY_STRING ? strtoull(score->str, NULL, 10) : 0;
    }
    return true;
}

static void note_failure(struct reading *reading, const char *reason)
{
    if (!reading->has_failed) {
        snprintf(reading->reason, sizeof(reading->reason), "%s", reason);
    }
    reading->has_failed = true;
    redis_reads_remove(&reading->turn); /* its other parts are not sent */
    reading->is_sent = true;
}

static void finish_part(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct reading_part *part = container_of(request, struct reading_part, request);
    struct reading *reading = part->reading;
    struct redis_store *store = reading->store;
    bool is_total = reading->query.kind == STORE_TOTALS;

    if (!(is_total ? set_totals(part, reply) : add_numbers(part, reply))) {
        /* may reset the link, which ends the other parts */
        note_failure(reading, reason_of(request, reply, reason));
    }
    free(part);
    if (--reading->open_count == 0 && reading->is_sent) {
        end_reading(reading);
    }
    redis_reads_end_part(&store->reads);
}

static void add_script(struct redis_command *command, size_t key_count)
{
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_read_lua);
    redis_command_add_u64(command, key_count);
}

/* adds the only fixed argument, after so many keys */
static void add_kind(struct redis_command *command, size_t key_count, const char *kind)
{
    size_t before = REDIS_SCRIPT_WORDS + REDIS_READ_KEY_COUNT + key_count;

    redis_command_add_text(REDIS_NEXT_ARGUMENT(command, before, read, kind), kind);
    redis_scripts_next(command, before, REDIS_READ_ARGUMENT_COUNT);
}

static void write_totals(const struct reading_part *part)
{
    struct redis_command *command = &part->reading->store->command;

    redis_command_begin(command, "ZMSCORE");
    redis_request_add_key(command, part->reading->query.site, "hits");
    for (size_t i = 0; i < part->page_count; i++) {
        redis_command_add(command, part->pages[i].page, part->pages[i].page_length);
    }
}

static void write_visitors(const struct reading_part *part)
{
    struct redis_store *store = part->reading->store;
    uint64_t days = part->to - part->from + 1;

    add_script(&store->command, days * part->page_count);
    for (size_t i = 0; i < part->page_count; i++) {
        for (uint64_t day = part->from; day <= part->to; day++) {
            redis_request_add_visitors_key(store, part->reading->query.site, day,
                                           part->pages[i].page, part->pages[i].page_length);
        }
    }
    add_kind(&store->command, days * part->page_count, "VISITORS");
    redis_command_add_u64(&store->command, part->reading->span != NULL ? 1 : days);
}

static void write_visits(const struct reading_part *part)
{
    const struct reading *reading = part->reading;
    struct redis_store *store = reading->store;
    bool by_hour = reading->span != NULL && reading->span->step == STORE_BY_HOUR;

    add_script(&store->command, part->to - part->from + 1);
    for (uint64_t step = part->from; step <= part->to; step++) {
        if (by_hour) {
            redis_request_add_hour_key(store, reading->query.site, step);
        } else {
            redis_request_add_day_key(store, reading->query.site, step);
        }
    }
    add_kind(&store->command, part->to - part->from + 1, reading->span != NULL ? "SERIES" : "DAYS");
    for (size_t i = 0; i < part->page_count; i++) {
        redis_command_add(&store->command, part->pages[i].page, part->pages[i].page_length);
    }
}

/* returns the most pages times days of one part */
static size_t part_size(enum store_number kind)
{
    switch (kind) {
    case STORE_DAYS:
        return REDIS_READS_NUMBERS_MAX;
    case STORE_UNIQUES:
        return REDIS_READS_VISITORS_MAX;
    default:
        return REDIS_READS_TOTALS_MAX;
    }
}

/* fills in the pages and days of the next part, and moves on */
static void plan_part(struct reading *reading, struct reading_part *part)
{
    const struct store_query *query = &reading->query;
    size_t size = part_size(query->kind);
    size_t days = 1;

    part->pages = query->pages + reading->next_page;
    part->page_count = least(query->page_count - reading->next_page, size);
    part->first = reading->next_page;
    part->request.count = part->page_count;
    if (query->kind != STORE_TOTALS) {
        days = least(query->to_day - reading->next_day + 1, size / part->page_count);
        part->from = reading->next_day;
        part->to = part->from + days - 1;
    }
    if (reading->span != NULL) {
        part->first = part->from - query->from_day;
        part->request.count = days;
    }
    reading->next_day += days;
    if (query->kind == STORE_TOTALS || reading->next_day > query->to_day) {
        reading->next_day = query->from_day;
        reading->next_page += part->page_count;
    }
    reading->is_sent = reading->next_page == query->page_count;
}

static bool send_part(struct redis_read_turn *turn)
{
    struct reading *reading = container_of(turn, struct reading, turn);
    struct reading_part *part = alloc_zero(1, sizeof(*part));

    redis_request_init(&part->request, &reading->store->store, NULL, finish_part);
    part->reading = reading;
    plan_part(reading, part);
    switch (reading->query.kind) {
    case STORE_DAYS:
        write_visits(part);
        break;
    case STORE_UNIQUES:
        write_visitors(part);
        break;
    default:
        write_totals(part);
    }
    reading->open_count++;
    redis_request_send(&part->request);
    return !reading->is_sent;
}

static struct reading *create_reading(struct store *store, size_t count, void *data)
{
    struct reading *reading = alloc_zero(1, sizeof(*reading));

    reading->store = container_of(store, struct redis_store, store);
    reading->numbers = alloc_zero(count, sizeof(*reading->numbers));
    reading->turn.send_next = send_part;
    reading->data = data;
    return reading;
}

void redis_store_read(struct store *store, const struct store_query *query, store_on_read on_read,
                      void *data)
{
    struct reading *reading = create_reading(store, query->page_count, data);

    reading->query = *query;
    reading->next_day = query->from_day;
    reading->on_read = on_read;
    redis_reads_add(&reading->store->reads, &reading->turn, query->for_operator);
}

void redis_store_series(struct store *store, const struct store_span *span,
                        store_on_series on_series, void *data)
{
    struct reading *reading = create_reading(store, step_count(span), data);

    reading->span = span;
    reading->page = (struct store_entry){.page = span->page, .page_length = span->page_length};
    reading->query = (struct store_query){.site = span->site,
                                          .pages = &reading->page,
                                          .page_count = 1,
                                          .kind = span->is_unique ? STORE_UNIQUES : STORE_DAYS,
                                          .from_day = span->from,
                                          .to_day = span->to};
    reading->next_day = span->from;
    reading->on_series = on_series;
    redis_reads_add(&reading->store->reads, &reading->turn, span->for_operator);
}
