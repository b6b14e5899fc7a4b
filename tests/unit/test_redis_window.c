/* SPDX-License-Identifier: MIT */
/* The window of clients' tokens: it shrinks while Redis' memory is short, and grows again. */
#include "store/redis/redis_store.h"
#include "support/fake_clock.h"
#include "support/fake_redis.h"

#include "base/log.h"
#include "store/token_buckets.h"

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
#define SECOND   (UINT64_C(500000) * 3600 + 100)
#define MINUTE   60000

struct fixture {
    struct loop *loop;
    struct fake_redis redis;
    struct store *store;
    unsigned used; /* percent of maxmemory, which is 1,000,000 bytes */
    unsigned maxmemory;
    bool is_full;      /* batches are refused */
    bool hides_memory; /* INFO is forbidden */
    unsigned looks;    /* INFO memory */
    char unlinked[8192];
    bool ended;
};

static const char *info_of(struct fixture *fixture)
{
    static char reply[256];
    char text[128];
    int length = snprintf(text, sizeof(text), "# Memory\r\nused_memory:%u\r\nmaxmemory:%u\r\n",
                          10000 * fixture->used, fixture->maxmemory);

    fixture->looks++;
    if (fixture->hides_memory) {
        return "-NOPERM this user has no permissions to run the 'info' command\r\n";
    }
    snprintf(reply, sizeof(reply), "$%d\r\n%s\r\n", length, text);
    return reply;
}

static const char *reply_to(struct fixture *fixture, const char *command)
{
    if (strncmp(command, "SCRIPT", 6) == 0) {
        return FAKE_REDIS_SCRIPT;
    }
    if (strncmp(command, "ROLE", 4) == 0) {
        return FAKE_REDIS_MASTER;
    }
    if (strcmp(command, "INFO memory") == 0) {
        return info_of(fixture);
    }
    if (strncmp(command, "SMEMBERS", 8) == 0) {
        return "*2\r\n$3\r\none\r\n$3\r\ntwo\r\n";
    }
    if (strncmp(command, "UNLINK", 6) == 0) {
        strncat(fixture->unlinked, command,
                sizeof(fixture->unlinked) - strlen(fixture->unlinked) - 1);
        return ":1\r\n";
    }
    if (strncmp(command, "EVALSHA", 7) == 0) {
        return fixture->is_full ? "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
                                : "$4\r\nOK 1\r\n";
    }
    return "+OK\r\n";
}

static void pass(struct fixture *fixture, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 50) {
        const char *command;

        loop_advance(fixture->loop, 50, 50);
        while ((command = fake_redis_command(&fixture->redis)) != NULL) {
            fake_redis_send(&fixture->redis, reply_to(fixture, command));
        }
    }
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct redis_store_options options = {.link = {.username = "",
                                                   .password = "",
                                                   .connect_timeout_ms = 1000,
                                                   .command_timeout_ms = 1000},
                                          .tls_ca = "",
                                          .instance = "test",
                                          .ledger_ttl_ms = 86400000,
                                          .series_days_ms = 86400000,
                                          .series_hours_ms = 86400000};
    const char *reason;

    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    fake_clock_stop(START_MS, SECOND * 1000);
    fixture->loop = loop_create();
    fixture->maxmemory = 1000000;
    fixture->used = 10;
    fake_redis_open(&fixture->redis);
    options.link.address = fixture->redis.address;
    fixture->store = redis_store_create(fixture->loop, &options, &reason);
    assert_non_null(fixture->store);
    while (!fake_redis_accept(&fixture->redis)) {
        loop_advance(fixture->loop, 5, 5);
    }
    pass(fixture, 1000);
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

static void check_window(struct fixture *fixture, uint64_t window_s)
{
    assert_int_equal(store_client_window_s(fixture->store), window_s);
    assert_int_equal(store_refuses_client_tokens(fixture->store), window_s == 0);
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct fixture *fixture = data;

    fixture->ended = true;
    assert_int_equal(applied->outcome, fixture->is_full ? STORE_REFUSED : STORE_OK);
}

/* sends a batch, which is refused if memory is full */
static void apply(struct fixture *fixture)
{
    struct store_entry entry = {.page = "/", .page_length = 1, .hits = 1};
    struct store_batch batch = {.site = "one",
                                .epoch = "0123456789abcdef0123456789abcdef",
                                .sequence = 1,
                                .visits = 1,
                                .second = SECOND,
                                .entries = &entry,
                                .entry_count = 1};

    fixture->ended = false;
    store_apply(fixture->store, &batch, on_applied, fixture);
    while (!fixture->ended) {
        pass(fixture, 50);
    }
}

static bool was_unlinked(struct fixture *fixture, const char *site, uint64_t number)
{
    char key[128];
    const char *found;

    snprintf(key, sizeof(key), "vc:{%s}:seen:client:%llu", site, (unsigned long long)number);
    found = strstr(fixture->unlinked, key);
    return found != NULL && (found[strlen(key)] < '0' || found[strlen(key)] > '9');
}

static const uint64_t now = SECOND / TOKEN_BUCKET_CLIENT_S;

static void test_nothing_happens_while_there_is_room(void **state)
{
    struct fixture *fixture = *state;

    for (fixture->used = 1; fixture->used < 90; fixture->used += 8) {
        pass(fixture, MINUTE);
        check_window(fixture, 3600);
    }
    fixture->maxmemory = 0;
    fixture->used = 1000;
    pass(fixture, 2 * MINUTE);
    check_window(fixture, 3600);
    assert_string_equal(fixture->unlinked, "");
}

/*
 * Each refusal shortens the window by a step, until all tokens are gone. Then it grows again, by a
 * step a minute.
 */
static void test_each_refusal_is_a_step(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_full = true;
    apply(fixture);
    pass(fixture, 200);
    check_window(fixture, 1800);
    for (int site = 0; site < 2; site++) {
        const char *name = site == 0 ? "one" : "two";

        assert_true(was_unlinked(fixture, name, now - 2));
        assert_true(was_unlinked(fixture, name, now - 3));
        assert_false(was_unlinked(fixture, name, now - 1)); /* it ended less than that ago */
        assert_false(was_unlinked(fixture, name, now));
    }
    apply(fixture);
    pass(fixture, 200);
    check_window(fixture, 60);
    assert_true(was_unlinked(fixture, "two", now - 1)); /* it ended 100 s ago */
    assert_false(was_unlinked(fixture, "two", now));
    apply(fixture);
    pass(fixture, 200);
    check_window(fixture, 0);
    assert_true(was_unlinked(fixture, "one", now));
    assert_true(was_unlinked(fixture, "two", now + 2));

    fixture->is_full = false;
    fixture->used = 20;
    pass(fixture, MINUTE / 2);
    check_window(fixture, 0);
    pass(fixture, MINUTE / 2 + 2000);
    check_window(fixture, 60);
    pass(fixture, MINUTE + 2000);
    check_window(fixture, 1800);
    pass(fixture, MINUTE + 2000);
    check_window(fixture, 3600);
}

/*
 * before memory is full, buckets of other times are dropped, and no visit is refused because of its
 * key
 */
static void test_memory_that_is_nearly_full(void **state)
{
    struct fixture *fixture = *state;

    fixture->used = 92;
    pass(fixture, MINUTE + 3000);
    check_window(fixture, 60);
    assert_true(was_unlinked(fixture, "one", now - 2));
    pass(fixture, 10 * MINUTE);
    check_window(fixture, 60);
    fixture->used = 85; /* neither short nor roomy */
    pass(fixture, 10 * MINUTE);
    check_window(fixture, 60);
    fixture->used = 70;
    pass(fixture, 2 * MINUTE + 4000);
    check_window(fixture, 3600);
    apply(fixture);
}

static void test_more_memory_is_used_at_once(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_full = true;
    fixture->used = 100;
    for (int i = 0; i < 3; i++) {
        apply(fixture);
        pass(fixture, 200);
    }
    check_window(fixture, 0);
    pass(fixture, 3000);
    fixture->is_full = false;
    fixture->used = 10;
    fixture->maxmemory = 2000000;
    pass(fixture, 3000);
    check_window(fixture, 3600);
}

/* if INFO is forbidden, only refusals decide */
static void test_memory_that_is_not_told(void **state)
{
    struct fixture *fixture = *state;

    fixture->hides_memory = true;
    fixture->is_full = true;
    pass(fixture, 2 * MINUTE);
    check_window(fixture, 3600);
    apply(fixture);
    pass(fixture, 200);
    check_window(fixture, 1800);
    fixture->is_full = false;
    pass(fixture, 4 * MINUTE);
    check_window(fixture, 1800);
    pass(fixture, 2 * MINUTE);
    check_window(fixture, 3600);
}

/* a connection that is lost meanwhile, and a store that ends */
static void test_a_connection_that_is_lost(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_full = true;
    apply(fixture);
    fake_redis_hang_up(&fixture->redis);
    for (int i = 0; i < 200 && !fake_redis_accept(&fixture->redis); i++) {
        loop_advance(fixture->loop, 50, 50);
    }
    pass(fixture, 2000);
    check_window(fixture, 1800);
    apply(fixture);
    pass(fixture, 300);
    check_window(fixture, 60);
    apply(fixture);
    loop_advance(fixture->loop, 5, 5); /* SMEMBERS is in flight */
}

/* checks of the memory are rare while there is room */
static void test_looks_are_rare(void **state)
{
    struct fixture *fixture = *state;

    fixture->looks = 0;
    pass(fixture, 10 * MINUTE);
    assert_in_range(fixture->looks, 9, 11);
    fixture->used = 80;
    pass(fixture, MINUTE);
    fixture->looks = 0;
    pass(fixture, MINUTE);
    assert_in_range(fixture->looks, 30, 70);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_happens_while_there_is_room),
        TEST(test_each_refusal_is_a_step),
        TEST(test_memory_that_is_nearly_full),
        TEST(test_more_memory_is_used_at_once),
        TEST(test_memory_that_is_not_told),
        TEST(test_a_connection_that_is_lost),
        TEST(test_looks_are_rare),
    };

    return cmocka_run_group_tests_name("redis_window", tests, NULL, NULL);
}
