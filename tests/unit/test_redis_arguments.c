/* SPDX-License-Identifier: MIT */
/*
 * The largest possible commands, as a server gets them. Managed servers allow some 4,000 arguments.
 */
#include "count/batch.h"
#include "store/redis/redis_store.h"
#include "store/stamp.h"
#include "support/fake_clock.h"
#include "support/fake_redis.h"

#include "base/log.h"
#include "store/redis/redis_command.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1000000
#define SECOND   (UINT64_C(500000) * 3600)
#define WALL_MS  (SECOND * 1000)
#define DAY_MS   UINT64_C(86400000)

struct fixture {
    struct loop *loop;
    struct fake_redis redis;
    struct store *store;
    size_t largest;  /* most arguments of a command */
    size_t commands; /* EVAL, EVALSHA and ZMSCORE */
    int ends;        /* of calls */
    enum store_outcome outcome;
};

static const char *reply_to(const char *command)
{
    if (strncmp(command, "SCRIPT", 6) == 0) {
        return FAKE_REDIS_SCRIPT;
    }
    if (strncmp(command, "ROLE", 4) == 0) {
        return FAKE_REDIS_MASTER;
    }
    if (strncmp(command, "EVAL ", 5) == 0) {
        return "$4\r\n 1 2\r\n";
    }
    return strncmp(command, "EVALSHA", 7) == 0 ? "-ERR none\r\n" : "+OK\r\n";
}

/* answers the open commands, and those that follow from the answers */
static void serve(struct fixture *fixture)
{
    for (int i = 0; i < 400; i++) {
        const char *command;

        loop_turn(fixture->loop, 4);
        while ((command = fake_redis_command(&fixture->redis)) != NULL) {
            if (fixture->redis.argument_count > fixture->largest) {
                fixture->largest = fixture->redis.argument_count;
            }
            fixture->commands += strncmp(command, "EVAL", 4) == 0 || *command == 'Z' ? 1 : 0;
            fake_redis_send(&fixture->redis, reply_to(command));
        }
    }
}

static void open_store(struct fixture *fixture, uint64_t days_ms, uint64_t hours_ms)
{
    struct redis_store_options options = {.link = {.address = fixture->redis.address,
                                                   .username = "",
                                                   .password = "",
                                                   .connect_timeout_ms = 1000,
                                                   .command_timeout_ms = 1000},
                                          .tls_ca = "",
                                          .instance = "test",
                                          .ledger_ttl_ms = DAY_MS,
                                          .series_days_ms = days_ms,
                                          .series_hours_ms = hours_ms};
    const char *reason = NULL;

    fixture->store = redis_store_create(fixture->loop, &options, &reason);
    assert_non_null(fixture->store);
    while (!fake_redis_accept(&fixture->redis)) {
        loop_advance(fixture->loop, 5, 5);
    }
    serve(fixture);
    fixture->largest = fixture->commands = 0;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    fake_clock_stop(START_MS, WALL_MS);
    fixture->loop = loop_create();
    fake_redis_open(&fixture->redis);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->store != NULL) {
        store_destroy(fixture->store);
    }
    fake_redis_close(&fixture->redis);
    loop_destroy(fixture->loop);
    free(fixture);
    fake_clock_release();
    return 0;
}

/* --- batches --- */

/* kinds of visits in a batch */
struct traffic {
    bool has_pages;    /* each visit has a page of its own; otherwise all share one */
    bool has_visitors; /* each visit has a visitor of its own */
    int window;        /* of its token; -1: none */
    bool is_spread;    /* each stamp has a bucket of its own, of 4 ms */
};

#define VISITS_MAX 20000

static void write_token(const struct traffic *traffic, size_t i, char text[STORE_TOKEN_MAX + 1])
{
    memset(text, 0, STORE_TOKEN_MAX + 1);
    if (traffic->window == STORE_WINDOW_STAMPED) {
        struct stamp stamp = {.ms = WALL_MS + (traffic->is_spread ? 4 * i : 0), .id = i};

        stamp_write(stamp, text);
    } else if (traffic->window == STORE_WINDOW_VIEW) {
        uint64_t id = i * UINT64_C(0x9e3779b97f4a7c15); /* in each part of a bucket */

        memcpy(text, &id, STORE_VIEW_LENGTH);
    } else {
        snprintf(text, STORE_TOKEN_MAX, "token-%zu", i);
    }
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct fixture *fixture = data;

    fixture->ends++;
    fixture->outcome = applied->outcome;
}

static void ignore_visit(void *data, struct visit *visit, size_t entry)
{
    (void)data, (void)visit, (void)entry;
}

/* adds as many visits as the batch has room for; returns their number */
static size_t fill(struct batch *batch, const struct traffic *traffic, struct visit *visits,
                   char (*tokens)[STORE_TOKEN_MAX + 1])
{
    size_t i = 0;

    while (i < VISITS_MAX && batch_takes(batch, SECOND, SECOND / 86400)) {
        char page[32];

        snprintf(page, sizeof(page), "/%zu", traffic->has_pages ? i : 0);
        write_token(traffic, i, tokens[i]);
        visits[i].visitor = traffic->has_visitors ? i + 1 : 0;
        visits[i].wants_uniques = true;
        if (traffic->window >= 0) {
            visits[i].token = tokens[i];
            visits[i].token_length = traffic->window == STORE_WINDOW_STAMPED ? STAMP_LENGTH
                                     : traffic->window == STORE_WINDOW_VIEW  ? STORE_VIEW_LENGTH
                                                                             : strlen(tokens[i]);
            visits[i].token_window = (enum store_window)traffic->window;
        }
        batch_add(batch, page, strlen(page), &visits[i]);
        i++;
    }
    return i;
}

static void send_full_batch(struct fixture *fixture, const struct traffic *traffic)
{
    struct batch *batch = batch_create(SECOND, SECOND / 86400);
    struct visit *visits = calloc(VISITS_MAX, sizeof(*visits));
    char(*tokens)[STORE_TOKEN_MAX + 1] = calloc(VISITS_MAX, sizeof(*tokens));
    struct store_batch content;
    size_t count;

    assert_non_null(visits);
    assert_non_null(tokens);
    count = fill(batch, traffic, visits, tokens);
    assert_true(count >= 350); /* the batch still has room for many visits */
    content = batch_seal(batch)->content;
    content.site = "site.example";
    content.epoch = "0123456789abcdef0123456789abcdef";
    content.sequence = 1;
    store_apply(fixture->store, &content, on_applied, fixture);
    serve(fixture);
    assert_int_equal(fixture->ends, 1);
    batch_release(batch, ignore_visit, NULL);
    batch_destroy(batch);
    free(tokens);
    free(visits);
}

static void test_the_largest_batches(void **state)
{
    struct fixture *fixture = *state;

    open_store(fixture, 400 * DAY_MS, 14 * DAY_MS);
    for (int i = 0; i < 4 * (STORE_WINDOW_COUNT + 2); i++) {
        struct traffic traffic = {.has_pages = (i & 1) != 0,
                                  .has_visitors = (i & 2) != 0,
                                  .window = i / 4 < STORE_WINDOW_COUNT    ? i / 4
                                            : i / 4 == STORE_WINDOW_COUNT ? -1
                                                                          : STORE_WINDOW_STAMPED,
                                  .is_spread = i / 4 > STORE_WINDOW_COUNT};

        fixture->ends = 0;
        fixture->largest = 0;
        send_full_batch(fixture, &traffic);
        assert_in_range(fixture->largest, 20, REDIS_ARGUMENTS_MAX - 1);
    }
}

/* --- questions --- */

static void on_read(void *data, const struct store_read *read)
{
    struct fixture *fixture = data;

    fixture->ends++;
    fixture->outcome = read->outcome;
}

static void on_series(void *data, const struct store_series *series)
{
    struct fixture *fixture = data;

    fixture->ends++;
    fixture->outcome = series->outcome;
}

static void test_the_largest_questions(void **state)
{
    static const struct {
        enum store_number kind;
        size_t pages;
        uint64_t days;
    } rows[] = {
        {STORE_TOTALS, 100, 1},   {STORE_TOTALS, 5000, 1},  {STORE_DAYS, 3, 1000},
        {STORE_DAYS, 5000, 1},    {STORE_UNIQUES, 100, 37}, {STORE_UNIQUES, 7, 366},
        {STORE_UNIQUES, 1, 1000}, {STORE_UNIQUES, 5000, 1},
    };
    struct fixture *fixture = *state;
    struct store_entry *pages = calloc(5000, sizeof(*pages));

    assert_non_null(pages);
    for (size_t i = 0; i < 5000; i++) {
        pages[i] = (struct store_entry){.page = "/page", .page_length = 5};
    }
    open_store(fixture, 400 * DAY_MS, 14 * DAY_MS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct store_query query = {.site = "site.example",
                                    .pages = pages,
                                    .page_count = rows[i].pages,
                                    .kind = rows[i].kind,
                                    .from_day = 20000,
                                    .to_day = 20000 + rows[i].days - 1};

        fixture->ends = 0;
        fixture->largest = 0;
        store_read(fixture->store, &query, on_read, fixture);
        serve(fixture);
        assert_int_equal(fixture->ends, 1);
        assert_in_range(fixture->largest, 4, REDIS_ARGUMENTS_MAX - 1);
    }
    free(pages);
}

static void test_the_largest_series(void **state)
{
    struct fixture *fixture = *state;

    open_store(fixture, 400 * DAY_MS, 14 * DAY_MS);
    for (int is_unique = 0; is_unique < 2; is_unique++) {
        struct store_span span = {.site = "site.example",
                                  .page = "/",
                                  .page_length = 1,
                                  .from = 20000,
                                  .to = 20000 + STORE_STEPS_MAX - 1,
                                  .is_unique = is_unique == 1};

        fixture->ends = 0;
        store_series(fixture->store, &span, on_series, fixture);
        serve(fixture);
        assert_int_equal(fixture->ends, 1);
    }
    assert_in_range(fixture->largest, 4, REDIS_ARGUMENTS_MAX - 1);
}

/* --- edits --- */

static void on_edited(void *data, const struct store_edited *edited)
{
    struct fixture *fixture = data;

    fixture->ends++;
    fixture->outcome = edited->outcome;
}

static void test_the_largest_edits(void **state)
{
    static const struct {
        uint64_t days;
        uint64_t hour_days;
    } rows[] = {{400, 14}, {1, 1},     {3650, 1},  {3650, 365},
                {1, 365},  {400, 365}, {1300, 14}, {1900, 14}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        open_store(fixture, rows[i].days * DAY_MS, rows[i].hour_days * DAY_MS);
        for (int kind = STORE_SET; kind <= STORE_RENAME; kind++) {
            struct store_edit edit = {.kind = (enum store_edit_kind)kind,
                                      .site = "site.example",
                                      .page = "/a",
                                      .page_length = 2,
                                      .to = "/b",
                                      .to_length = 2};

            fixture->ends = 0;
            store_edit(fixture->store, &edit, on_edited, fixture);
            serve(fixture);
            assert_int_equal(fixture->ends, 1);
            assert_int_equal(fixture->outcome, STORE_OK);
            if (i == 0) { /* usually one step */
                assert_int_equal(fixture->commands, kind + 1);
            }
        }
        assert_in_range(fixture->largest, 10, REDIS_ARGUMENTS_MAX - 1);
        store_destroy(fixture->store);
        fixture->store = NULL;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_the_largest_batches),
        TEST(test_the_largest_questions),
        TEST(test_the_largest_series),
        TEST(test_the_largest_edits),
    };

    return cmocka_run_group_tests_name("redis_arguments", tests, NULL, NULL);
}
