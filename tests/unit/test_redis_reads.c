/* SPDX-License-Identifier: MIT */
/* How much Redis reads at a time, so that visits do not wait for large reads of other clients. */
#include "base/asset.h"
#include "base/log.h"
#include "store/redis/redis_reads.h"
#include "store/redis/redis_store.h"
#include "support/fake_clock.h"
#include "support/fake_redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

ASSET_DECLARE(redis_read_lua);

#define START_MS  1000000
#define WALL_MS   (UINT64_C(500000) * 3600000)
#define DAY_MS    UINT64_C(86400000)
#define FIRST_DAY 20000
#define PAGES_MAX 1000
#define READS_MAX 64
#define OPEN_MAX  64

/* a read of the test, and its answer */
struct asked {
    struct fixture *fixture;
    int ends;
    int position; /* its position among all answers */
    enum store_outcome outcome;
    uint64_t numbers[PAGES_MAX];
    size_t count;
    struct store_query query;
    struct store_span span;
    struct store_ranking ranking;
};

struct fixture {
    struct loop *loop;
    struct fake_redis redis;
    struct store *store;
    struct store_entry pages[PAGES_MAX];
    struct asked asked[READS_MAX];
    size_t asked_count;
    int answers;
    char replies[OPEN_MAX][4096]; /* of commands that were read and are not answered yet */
    size_t open;
    size_t most_open;
    size_t parts;          /* all commands that are reads */
    uint64_t most_numbers; /* most numbers (pages times days) of one script */
    uint64_t most_visitors;
    size_t most_totals;
    size_t visits; /* commands that are not reads */
};

/* --- the server --- */

/* parses the arguments of EVAL after the script, and writes the reply; each key counts 1 */
static void read_script(struct fixture *fixture, const char *rest, char *reply, size_t size)
{
    unsigned long keys = strtoul(rest, NULL, 10);
    const char *arguments = rest;
    unsigned long group = 1;
    unsigned long numbers = keys;
    char text[3000] = "";

    for (unsigned long i = 0; i <= keys; i++) {
        arguments = strchr(arguments, ' ') + 1;
    }
    if (strncmp(arguments, "VISITORS", 8) == 0) {
        group = strtoul(arguments + 9, NULL, 10);
        numbers = keys / group;
        assert_int_equal(keys % group, 0);
        fixture->most_visitors = keys > fixture->most_visitors ? keys : fixture->most_visitors;
    } else {
        bool is_days = strncmp(arguments, "DAYS", 4) == 0;
        unsigned long pages = 0;

        for (const char *at = strchr(arguments, ' '); at != NULL; at = strchr(at + 1, ' ')) {
            pages++;
        }
        if (pages * keys > fixture->most_numbers) {
            fixture->most_numbers = pages * keys;
        }
        group = is_days ? keys : 1;
        numbers = is_days ? pages : keys;
    }
    for (unsigned long i = 0; i < numbers; i++) {
        sprintf(text + strlen(text), " %lu", group);
    }
    snprintf(reply, size, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void read_totals(struct fixture *fixture, char *reply)
{
    size_t pages = fixture->redis.argument_count - 2;

    if (pages > fixture->most_totals) {
        fixture->most_totals = pages;
    }
    reply += sprintf(reply, "*%zu\r\n", pages);
    for (size_t i = 0; i < pages; i++) {
        reply += sprintf(reply, "$1\r\n7\r\n");
    }
}

/* returns false if the command is not a read; it has been answered then */
static bool note_read(struct fixture *fixture, const char *command, char *reply, size_t size)
{
    if (strncmp(command, "EVAL ", 5) == 0 &&
        strncmp(command + 5, redis_read_lua, strlen(redis_read_lua)) == 0) {
        read_script(fixture, command + 5 + strlen(redis_read_lua) + 1, reply, size);
    } else if (strncmp(command, "ZMSCORE", 7) == 0) {
        read_totals(fixture, reply);
    } else if (strncmp(command, "ZREVRANGE", 9) == 0) {
        strcpy(reply, "*2\r\n$2\r\n/a\r\n$1\r\n1\r\n");
    } else if (strncmp(command, "ZSCAN", 5) == 0) {
        strcpy(reply, "*2\r\n$1\r\n0\r\n*0\r\n");
    } else if (strncmp(command, "SMEMBERS", 8) == 0) {
        strcpy(reply, "*0\r\n");
    } else {
        return false;
    }
    return true;
}

static void answer_other(struct fixture *fixture, const char *command)
{
    if (strncmp(command, "SCRIPT", 6) == 0) {
        fake_redis_send(&fixture->redis, FAKE_REDIS_SCRIPT);
    } else if (strncmp(command, "ROLE", 4) == 0) {
        fake_redis_send(&fixture->redis, FAKE_REDIS_MASTER);
    } else {
        fixture->visits++;
        fake_redis_send(&fixture->redis, "+OK\r\n");
    }
}

/* receives all commands without answering the reads */
static void receive(struct fixture *fixture)
{
    const char *command;

    loop_turn(fixture->loop, 4);
    while ((command = fake_redis_command(&fixture->redis)) != NULL) {
        char *reply = fixture->replies[fixture->open];

        assert_in_range(fixture->open, 0, OPEN_MAX - 2);
        if (note_read(fixture, command, reply, sizeof(fixture->replies[0]))) {
            fixture->open++;
            fixture->parts++;
        } else {
            answer_other(fixture, command);
        }
    }
    if (fixture->open > fixture->most_open) {
        fixture->most_open = fixture->open;
    }
}

/* answers the first read that is open */
static void answer_one(struct fixture *fixture)
{
    assert_int_not_equal(fixture->open, 0);
    fake_redis_send(&fixture->redis, fixture->replies[0]);
    fixture->open--;
    memmove(fixture->replies[0], fixture->replies[1], fixture->open * sizeof(fixture->replies[0]));
}

/* answers all reads, one at a time */
static void serve(struct fixture *fixture)
{
    receive(fixture);
    receive(fixture);
    while (fixture->open != 0) {
        answer_one(fixture);
        receive(fixture);
        receive(fixture);
    }
}

/* --- reads --- */

static void end(struct asked *asked, enum store_outcome outcome, const uint64_t *numbers)
{
    asked->ends++;
    asked->position = asked->fixture->answers++;
    asked->outcome = outcome;
    if (numbers != NULL) {
        memcpy(asked->numbers, numbers, asked->count * sizeof(*numbers));
    }
}

static void on_read(void *data, const struct store_read *read)
{
    end(data, read->outcome, read->numbers);
}

static void on_series(void *data, const struct store_series *series)
{
    end(data, series->outcome, series->numbers);
}

static void on_pages(void *data, const struct store_pages *pages)
{
    end(data, pages->outcome, NULL);
}

static void on_sites(void *data, const struct store_sites *sites)
{
    end(data, sites->outcome, NULL);
}

static struct asked *new_asked(struct fixture *fixture)
{
    struct asked *asked = &fixture->asked[fixture->asked_count++];

    assert_in_range(fixture->asked_count, 1, READS_MAX);
    asked->fixture = fixture;
    return asked;
}

static struct asked *ask(struct fixture *fixture, enum store_number kind, size_t pages,
                         uint64_t days, bool for_operator)
{
    struct asked *asked = new_asked(fixture);

    asked->count = pages;
    asked->query = (struct store_query){.site = "site.example",
                                        .pages = fixture->pages,
                                        .page_count = pages,
                                        .kind = kind,
                                        .from_day = FIRST_DAY,
                                        .to_day = FIRST_DAY + days - 1,
                                        .for_operator = for_operator};
    store_read(fixture->store, &asked->query, on_read, asked);
    return asked;
}

static struct asked *ask_series(struct fixture *fixture, enum store_step step, uint64_t steps,
                                bool is_unique)
{
    struct asked *asked = new_asked(fixture);

    asked->count = steps;
    asked->span = (struct store_span){.site = "site.example",
                                      .page = "/",
                                      .page_length = 1,
                                      .step = step,
                                      .from = FIRST_DAY,
                                      .to = FIRST_DAY + steps - 1,
                                      .is_unique = is_unique};
    store_series(fixture->store, &asked->span, on_series, asked);
    return asked;
}

static struct asked *ask_top(struct fixture *fixture)
{
    struct asked *asked = new_asked(fixture);

    asked->ranking = (struct store_ranking){.site = "site.example", .count = 1000};
    store_top(fixture->store, &asked->ranking, on_pages, asked);
    return asked;
}

static void assert_answered(const struct asked *asked, uint64_t number)
{
    assert_int_equal(asked->ends, 1);
    assert_int_equal(asked->outcome, STORE_OK);
    for (size_t i = 0; i < asked->count; i++) {
        assert_true(asked->numbers[i] == number);
    }
}

/* --- set up --- */

static void open_store(struct fixture *fixture)
{
    struct redis_store_options options = {.link = {.address = fixture->redis.address,
                                                   .username = "",
                                                   .password = "",
                                                   .connect_timeout_ms = 1000,
                                                   .command_timeout_ms = 1000},
                                          .tls_ca = "",
                                          .instance = "test",
                                          .ledger_ttl_ms = DAY_MS,
                                          .series_days_ms = 400 * DAY_MS,
                                          .series_hours_ms = 14 * DAY_MS};
    const char *reason = NULL;

    fixture->store = redis_store_create(fixture->loop, &options, &reason);
    assert_non_null(fixture->store);
    while (!fake_redis_accept(&fixture->redis)) {
        loop_advance(fixture->loop, 5, 5);
    }
    for (int i = 0; i < 100; i++) {
        receive(fixture);
    }
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
    for (size_t i = 0; i < PAGES_MAX; i++) {
        fixture->pages[i] = (struct store_entry){.page = "/page", .page_length = 5};
    }
    open_store(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    store_destroy(fixture->store);
    fake_redis_close(&fixture->redis);
    loop_destroy(fixture->loop);
    free(fixture);
    fake_clock_release();
    return 0;
}

/* --- tests --- */

/* Each page and day is read once, in bounded parts. Few parts are in flight at a time. */
static void test_a_large_read_is_sent_in_bounded_parts(void **state)
{
    static const struct {
        enum store_number kind;
        size_t pages;
        uint64_t days;
        uint64_t number; /* of each page */
    } rows[] = {
        {STORE_UNIQUES, 100, 37, 37}, {STORE_UNIQUES, 10, 366, 366}, {STORE_UNIQUES, 1, 1, 1},
        {STORE_UNIQUES, 33, 1, 1},    {STORE_UNIQUES, 7, 900, 900},  {STORE_DAYS, 100, 37, 37},
        {STORE_DAYS, 10, 366, 366},   {STORE_DAYS, 1, 1000, 1000},   {STORE_DAYS, 65, 2, 2},
        {STORE_TOTALS, 100, 1, 7},    {STORE_TOTALS, 1000, 1, 7},    {STORE_DAYS, 64, 64, 64},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asked *asked = ask(fixture, rows[i].kind, rows[i].pages, rows[i].days, false);

        serve(fixture);
        assert_answered(asked, rows[i].number);
        assert_in_range(fixture->most_open, 1, REDIS_READS_MAX);
        assert_in_range(fixture->most_numbers, 0, REDIS_READS_NUMBERS_MAX);
        assert_in_range(fixture->most_visitors, 0, REDIS_READS_VISITORS_MAX);
        assert_in_range(fixture->most_totals, 0, REDIS_READS_TOTALS_MAX);
    }
    assert_int_equal(fixture->most_open, REDIS_READS_MAX);
}

static void test_a_series_is_sent_in_bounded_parts(void **state)
{
    struct fixture *fixture = *state;
    struct asked *all[] = {ask_series(fixture, STORE_BY_HOUR, STORE_STEPS_MAX, false),
                           ask_series(fixture, STORE_BY_DAY, STORE_STEPS_MAX, false),
                           ask_series(fixture, STORE_BY_DAY, STORE_STEPS_MAX, true),
                           ask_series(fixture, STORE_BY_DAY, 1, true)};

    serve(fixture);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_answered(all[i], 1);
    }
    assert_in_range(fixture->most_numbers, 1, REDIS_READS_NUMBERS_MAX);
    assert_in_range(fixture->most_visitors, 1, REDIS_READS_VISITORS_MAX);
    assert_in_range(fixture->most_open, 1, REDIS_READS_MAX);
}

static void test_reads_of_all_kinds_share_the_places(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 8; i++) {
        ask(fixture, STORE_TOTALS, 1, 1, false);
        ask_series(fixture, STORE_BY_DAY, 30, false);
        ask_top(fixture);
        store_scan(fixture->store, "site.example", "", on_pages, new_asked(fixture));
        store_sites(fixture->store, on_sites, new_asked(fixture));
    }
    serve(fixture);
    assert_int_equal(fixture->most_open, REDIS_READS_MAX);
    assert_int_equal(fixture->answers, 40);
    for (size_t i = 0; i < fixture->asked_count; i++) {
        assert_int_equal(fixture->asked[i].ends, 1);
        assert_int_equal(fixture->asked[i].outcome, STORE_OK);
    }
}

/* a small read does not wait for all parts of earlier large ones */
static void test_reads_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct asked *large = ask(fixture, STORE_UNIQUES, 100, 37, false);
    struct asked *small = ask(fixture, STORE_TOTALS, 1, 1, false);

    serve(fixture);
    assert_answered(large, 37);
    assert_answered(small, 7);
    assert_true(small->position < large->position);
}

static void test_reads_of_operators_go_first(void **state)
{
    struct fixture *fixture = *state;
    struct asked *operator_asked;

    for (int i = 0; i < 30; i++) {
        ask(fixture, STORE_UNIQUES, 10, 366, false);
    }
    receive(fixture);
    operator_asked = ask(fixture, STORE_TOTALS, 1, 1, true);
    for (int i = 0; i <= REDIS_READS_MAX; i++) { /* the parts in flight, and its own */
        answer_one(fixture);
        receive(fixture);
        receive(fixture);
    }
    assert_int_equal(operator_asked->ends, 1);
    assert_int_equal(fixture->answers, 1);
    serve(fixture);
    assert_int_equal(fixture->answers, 31);
}

static void on_salt(void *data, const struct store_salt *salt)
{
    (void)salt;
    (*(int *)data)++;
}

/* other commands are sent at once, even if many reads wait */
static void test_other_calls_do_not_queue(void **state)
{
    struct fixture *fixture = *state;
    size_t before;
    int salts = 0;

    for (int i = 0; i < 30; i++) {
        ask(fixture, STORE_UNIQUES, 10, 366, false);
    }
    receive(fixture);
    before = fixture->visits;
    store_salt(fixture->store, FIRST_DAY, on_salt, &salts);
    receive(fixture);
    assert_in_range(fixture->visits, before + 1, before + 2);
    assert_int_equal(fixture->answers, 0);
    serve(fixture);
    assert_int_equal(fixture->answers, 30);
    assert_int_equal(salts, 1);
}

/* a failed read sends no further parts, and the next read gets its place */
static void test_a_failed_read_ends(void **state)
{
    struct fixture *fixture = *state;
    struct asked *failed = ask(fixture, STORE_UNIQUES, 10, 366, false);
    struct asked *next;

    receive(fixture);
    while (fixture->open != 0) {
        fake_redis_send(&fixture->redis, "-ERR no\r\n");
        fixture->open--;
    }
    receive(fixture);
    while (fixture->open != 0) { /* parts that were sent between two replies */
        answer_one(fixture);
        receive(fixture);
    }
    assert_int_equal(failed->ends, 1);
    assert_int_equal(failed->outcome, STORE_REFUSED);
    assert_in_range(fixture->parts, REDIS_READS_MAX, 2 * REDIS_READS_MAX);
    next = ask(fixture, STORE_UNIQUES, 10, 366, false);
    serve(fixture);
    assert_answered(next, 366);
}

static void test_a_lost_connection_ends_all_reads(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 30; i++) {
        ask(fixture, i % 2 == 0 ? STORE_UNIQUES : STORE_DAYS, 10, 366, i % 3 == 0);
        ask_top(fixture);
    }
    receive(fixture);
    fake_redis_hang_up(&fixture->redis);
    fixture->open = 0;
    loop_turn(fixture->loop, 20);
    assert_int_equal(fixture->answers, 60);
    for (size_t i = 0; i < fixture->asked_count; i++) {
        assert_int_equal(fixture->asked[i].ends, 1);
        assert_int_equal(fixture->asked[i].outcome, STORE_REFUSED);
    }
    ask(fixture, STORE_UNIQUES, 10, 366, false); /* also refused, at the end of the turn */
    assert_int_equal(fixture->answers, 60);
    loop_turn(fixture->loop, 4);
    assert_int_equal(fixture->answers, 61);
}

static void test_the_end_of_the_store_ends_all_reads(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 30; i++) {
        ask(fixture, STORE_UNIQUES, 10, 366, i % 3 == 0);
    }
    receive(fixture);
    store_destroy(fixture->store);
    fixture->store = NULL;
    assert_int_equal(fixture->answers, 30);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_large_read_is_sent_in_bounded_parts),
        TEST(test_a_series_is_sent_in_bounded_parts),
        TEST(test_reads_of_all_kinds_share_the_places),
        TEST(test_reads_take_turns),
        TEST(test_reads_of_operators_go_first),
        TEST(test_other_calls_do_not_queue),
        TEST(test_a_failed_read_ends),
        TEST(test_a_lost_connection_ends_all_reads),
        TEST(test_the_end_of_the_store_ends_all_reads),
    };

    return cmocka_run_group_tests_name("redis_reads", tests, NULL, NULL);
}
