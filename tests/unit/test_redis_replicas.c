/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_replicas.h"

#include "base/log.h"
#include "support/log_capture.h"

#include <hiredis/hiredis.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GRACE_MS    600000
#define INTERVAL_MS REDIS_REPLICAS_INTERVAL_MS
#define NOTHING     UINT64_MAX

struct fixture {
    struct redis_replicas replicas;
    uint64_t now_ms;
};

/* a reply: "ADDRESS OFFSET" for each replica, NULL at the end */
struct row {
    const char *address;
    uint64_t offset;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    redis_replicas_init(&fixture->replicas, "redis.test:6379", GRACE_MS);
    redis_replicas_reconnect(&fixture->replicas, "10.0.0.1:6379");
    fixture->now_ms = 1000000;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    redis_replicas_finish(&fixture->replicas);
    free(fixture);
    return 0;
}

static void reply_at(struct fixture *fixture, uint64_t now_ms, uint64_t offset,
                     const struct row *rows)
{
    fixture->now_ms = now_ms;
    redis_replicas_begin(&fixture->replicas, now_ms, offset);
    for (; rows->address != NULL; rows++) {
        redis_replicas_add(&fixture->replicas, rows->address, rows->offset);
    }
    redis_replicas_end(&fixture->replicas);
}

#define REPLY_AT(now_ms, offset, ...) \
    reply_at(fixture, now_ms, offset, (const struct row[]){__VA_ARGS__ __VA_OPT__(, ){NULL, 0}})

#define assert_before(expected) \
    assert_true(redis_replicas_before_ms(&fixture->replicas) == (uint64_t)(expected))

#define A "10.0.0.2:6379"
#define B "10.0.0.3:6379"

static void test_without_replicas_there_is_nothing_to_wait_for(void **state)
{
    struct fixture *fixture = *state;

    assert_before(NOTHING);
    REPLY_AT(1000, 50);
    assert_before(NOTHING);
    REPLY_AT(2000, 60);
    assert_before(NOTHING);
}

/* the mark's offset is at least that of all answers before the question for the mark */
static void test_a_mark_that_every_replica_has_is_proven(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 100, {A, 90}, {B, 80});
    assert_before(0);
    REPLY_AT(2000, 200, {A, 150}, {B, 99});
    assert_before(0); /* B lacks one byte */
    REPLY_AT(3000, 300, {A, 250}, {B, 100});
    assert_before(1000);
    REPLY_AT(4000, 400, {A, 350}, {B, 299}); /* the mark is that of 3000 */
    assert_before(1000);
    REPLY_AT(5000, 500, {A, 500}, {B, 300});
    assert_before(3000);
    REPLY_AT(6000, 500, {A, 500}, {B, 500}); /* no writes in between */
    assert_before(6000);
}

static void test_a_reply_can_prove_itself(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 100, {A, 100});
    assert_before(1000);
    REPLY_AT(2000, 200, {A, 150});
    assert_before(1000);
}

static void test_a_replica_that_comes_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 100, {A, 100});
    REPLY_AT(2000, 200, {A, 200}, {B, 0}); /* it has not reported its offset yet */
    assert_before(1000);
    REPLY_AT(3000, 300, {A, 300}, {B, 250});
    assert_before(2000);
}

static void test_one_that_is_gone_holds_everything_back_for_the_grace(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    REPLY_AT(INTERVAL_MS, 100, {A, 100}, {B, 90});
    assert_before(0);
    for (uint64_t i = 2; i <= 2 + GRACE_MS / INTERVAL_MS - 1; i++) {
        REPLY_AT(i * INTERVAL_MS, 100 * i, {A, 100 * i});
        assert_before(0);
        assert_int_equal(fixture->replicas.count, 2);
    }
    assert_string_equal(log_capture_end(), "");
    log_capture_begin();
    REPLY_AT(fixture->now_ms + INTERVAL_MS, 9000, {A, 9000});
    assert_int_equal(fixture->replicas.count, 1);
    log = log_capture_end();
    assert_non_null(strstr(log, "redis redis.test:6379: replica 10.0.0.3:6379: not seen for 10m; "
                                "answered batches no longer wait for it"));
    assert_before(fixture->now_ms);
    log_capture_begin();
    REPLY_AT(fixture->now_ms + INTERVAL_MS, 9100);
    log = log_capture_end();
    assert_string_equal(log, "");
}

static void test_one_that_comes_back_in_time(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(0, 100, {A, 90});
    for (int round = 0; round < 5; round++) {
        uint64_t now_ms = fixture->now_ms;

        REPLY_AT(now_ms + 1000, 200);
        REPLY_AT(now_ms + GRACE_MS, 300); /* not yet: missing since the last reply */
        assert_int_equal(fixture->replicas.count, 1);
        assert_true(fixture->replicas.known[0].gone_ms > 0);
        REPLY_AT(now_ms + GRACE_MS + 10, 400, {A, 90});
        assert_int_equal(fixture->replicas.known[0].gone_ms, 0);
        assert_before(0);
    }
}

/* it has all that it acknowledged before it went away */
static void test_one_that_is_gone_had_the_mark(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 100, {A, 50});
    REPLY_AT(2000, 200, {A, 150});
    assert_before(1000);
    REPLY_AT(3000, 200);
    assert_before(1000); /* it lacks the mark of 2000 */
    REPLY_AT(4000, 200);
    assert_before(1000);
}

/* Redis 7.0 does not advance its offset while it has neither replicas nor a backlog */
static void test_an_offset_that_stands_still_proves_nothing(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 100, {A, 100});
    assert_before(1000);
    REPLY_AT(2000, 100);
    REPLY_AT(3000, 100);
    assert_before(1000);
    redis_replicas_reconnect(&fixture->replicas, "");
    REPLY_AT(4000, 0);
    REPLY_AT(5000, 0);
    assert_before(1000);
}

/* offsets may have restarted: earlier ones prove nothing */
static void test_a_reconnect_drops_the_mark(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900});
    redis_replicas_reconnect(&fixture->replicas, "10.0.0.1:6379");
    REPLY_AT(2000, 2000, {A, 1500});
    assert_before(0);
    REPLY_AT(3000, 3000, {A, 2000});
    assert_before(2000);
    redis_replicas_reconnect(&fixture->replicas, "10.0.0.1:6379");
    REPLY_AT(4000, 10, {A, 5});
    assert_before(2000); /* this time stays proven */
    REPLY_AT(5000, 20, {A, 10});
    assert_before(4000);
}

static void test_offsets_that_restart_on_a_connection(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900});
    REPLY_AT(2000, 10, {A, 5});
    assert_before(0);
    REPLY_AT(3000, 20, {A, 10});
    assert_before(2000);
}

/* its offset on another server cannot be compared with offsets of this server */
static void test_one_that_is_gone_after_a_reconnect(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 1000}, {B, 1000});
    assert_before(1000);
    redis_replicas_reconnect(&fixture->replicas, "10.0.0.9:6379");
    REPLY_AT(2000, 50, {B, 50});
    REPLY_AT(3000, 60, {B, 60});
    assert_before(1000); /* A is missing, and its offset 1000 belongs to another history */
    assert_int_equal(fixture->replicas.count, 2);
}

/* after a failover the replica is the server itself */
static void test_a_replica_that_was_promoted(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900}, {B, 900});
    redis_replicas_reconnect(&fixture->replicas, A);
    REPLY_AT(2000, 50, {B, 50});
    assert_before(2000);
    assert_int_equal(fixture->replicas.count, 1);
    redis_replicas_reconnect(&fixture->replicas, "");
    assert_int_equal(fixture->replicas.count, 1);
}

/* a replica is not missing while there is no connection to ask */
static void test_an_outage_is_not_counted(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900});
    redis_replicas_reconnect(&fixture->replicas, "");
    REPLY_AT(1000 + 2 * GRACE_MS, 50);
    redis_replicas_reconnect(&fixture->replicas, "");
    REPLY_AT(1000 + 4 * GRACE_MS, 60);
    assert_int_equal(fixture->replicas.count, 1);
    assert_before(0);
    /* a series of short connections does not hold it back forever */
    for (uint64_t i = 0; i <= GRACE_MS / INTERVAL_MS; i++) {
        redis_replicas_reconnect(&fixture->replicas, "");
        REPLY_AT(fixture->now_ms + 2 * INTERVAL_MS, 100);
    }
    assert_int_equal(fixture->replicas.count, 0);
    assert_before(NOTHING);
}

static void test_no_grace(void **state)
{
    struct fixture *fixture = *state;

    fixture->replicas.grace_ms = 0;
    REPLY_AT(1000, 1000, {A, 900});
    assert_before(0);
    REPLY_AT(2000, 1000);
    assert_before(NOTHING);
}

static void test_a_server_that_tells_nothing_any_more(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900});
    redis_replicas_clear(&fixture->replicas);
    assert_before(NOTHING);
}

static void test_two_behind_one_address(void **state)
{
    struct fixture *fixture = *state;

    REPLY_AT(1000, 1000, {A, 900}, {A, 700});
    REPLY_AT(2000, 1100, {A, 999}, {A, 1000});
    assert_before(0);
    REPLY_AT(3000, 1100, {A, 1000}, {A, 1000});
    assert_before(1000);
    assert_int_equal(fixture->replicas.count, 1);
}

/* --- more replicas than fit --- */

static void reply_with_many(struct fixture *fixture, uint64_t now_ms, uint64_t offset,
                            unsigned from, unsigned count, uint64_t last_offset)
{
    redis_replicas_begin(&fixture->replicas, now_ms, offset);
    for (unsigned i = 0; i < count; i++) {
        char address[32];

        snprintf(address, sizeof(address), "10.0.1.%u:6379", from + i);
        redis_replicas_add(&fixture->replicas, address, i + 1 == count ? last_offset : offset);
    }
    redis_replicas_end(&fixture->replicas);
}

static void test_more_replicas_than_are_kept(void **state)
{
    struct fixture *fixture = *state;
    unsigned count = REDIS_REPLICAS_MAX + 10;

    reply_with_many(fixture, 1000, 100, 0, count, 99);
    assert_int_equal(fixture->replicas.count, REDIS_REPLICAS_MAX);
    assert_before(0); /* the last one counts too */
    reply_with_many(fixture, 2000, 200, 0, count, 100);
    assert_before(1000);
    /* replicas that are gone make room, first the one that is gone for longest */
    log_set_level(LOG_LEVEL_ERROR);
    reply_with_many(fixture, 3000, 300, 100, 5, 300);
    reply_with_many(fixture, 4000, 300, 100, 10, 300);
    assert_int_equal(fixture->replicas.count, REDIS_REPLICAS_MAX);
    assert_string_equal(fixture->replicas.known[REDIS_REPLICAS_MAX - 1].address, "10.0.1.109:6379");
}

/* --- replies --- */

static redisReply *parse(redisReader *reader, const char *bytes)
{
    void *reply = NULL;

    redisReaderFeed(reader, bytes, strlen(bytes));
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    return reply;
}

static bool take_role(struct fixture *fixture, uint64_t now_ms, const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    redisReply *reply = parse(reader, bytes);
    bool is_taken = redis_replicas_parse_role(&fixture->replicas, now_ms, reply);

    freeReplyObject(reply);
    redisReaderFree(reader);
    return is_taken;
}

static void test_a_reply_to_role(void **state)
{
    struct fixture *fixture = *state;

    assert_true(take_role(fixture, 1000,
                          "*3\r\n$6\r\nmaster\r\n:3129659\r\n*2\r\n"
                          "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n"
                          "*3\r\n$3\r\n::1\r\n:9002\r\n:3129543\r\n"));
    assert_int_equal(fixture->replicas.count, 2);
    assert_string_equal(fixture->replicas.known[0].address, "127.0.0.1:9001");
    assert_int_equal(fixture->replicas.known[0].offset, 3129242);
    assert_int_equal(fixture->replicas.known[0].lag_bytes, 417);
    assert_string_equal(fixture->replicas.known[1].address, "[::1]:9002");
    assert_int_equal(fixture->replicas.known[1].offset, 3129543);
}

static void test_what_is_no_reply_to_role(void **state)
{
    static const char *const replies[] = {
        "+OK\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n$6\r\nmaster\r\n",
        "*2\r\n$6\r\nmaster\r\n:1\r\n",
        "*3\r\n$6\r\nmaster\r\n:-1\r\n*0\r\n",
        "*3\r\n$6\r\nmaster\r\n$1\r\nx\r\n*0\r\n",
        "*3\r\n$6\r\nmaster\r\n:1\r\n:2\r\n",
        "*3\r\n$6\r\nmaster\r\n*0\r\n*0\r\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        assert_false(take_role(fixture, 1000, replies[i]));
        assert_before(NOTHING);
    }
    /* replicas in other forms are left out; a replica with an unreadable offset has nothing */
    assert_true(take_role(fixture, 2000,
                          "*3\r\n$6\r\nmaster\r\n:10\r\n*5\r\n:1\r\n*0\r\n*-1\r\n"
                          "*3\r\n*0\r\n*0\r\n*0\r\n"
                          "*3\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\nx\r\n"));
    assert_int_equal(fixture->replicas.count, 1);
    assert_string_equal(fixture->replicas.known[0].address, "h:1");
    assert_before(0);
}

static void test_info_replication(void **state)
{
    struct fixture *fixture = *state;

    assert_true(redis_replicas_parse_info(
        &fixture->replicas, 1000,
        "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n"
        "slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=1\r\n"
        "slave1:ip=replica.test,port=6380,state=online,offset=1000,lag=0\r\n"
        "slave2:ip=10.0.0.4,port=6379,state=wait_bgsave,offset=0,lag=0\r\n"
        "slave_read_only:1\r\nmaster_failover_state:no-failover\r\n"
        "master_replid:0\r\nmaster_repl_offset:1000\r\nsecond_repl_offset:-1\r\n"));
    assert_int_equal(fixture->replicas.count, 2);
    assert_string_equal(fixture->replicas.known[0].address, A);
    assert_int_equal(fixture->replicas.known[0].lag_bytes, 100);
    assert_string_equal(fixture->replicas.known[1].address, "replica.test:6380");
    assert_before(0);
    assert_true(redis_replicas_parse_info(
        &fixture->replicas, 2000,
        "master_repl_offset:1\r\nmaster_repl_offset:1100\nslave0:ip=10.0.0.2,port=6379,offset=1000\n"
        "slave1:ip=replica.test,port=6380,state=online,offset=1001,lag=0"));
    assert_before(1000);
    assert_false(redis_replicas_parse_info(&fixture->replicas, 3000, ""));
    assert_false(redis_replicas_parse_info(&fixture->replicas, 3000, "\nmaster_repl_offset:x\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_without_replicas_there_is_nothing_to_wait_for),
        TEST(test_a_mark_that_every_replica_has_is_proven),
        TEST(test_a_reply_can_prove_itself),
        TEST(test_a_replica_that_comes_is_waited_for),
        TEST(test_one_that_is_gone_holds_everything_back_for_the_grace),
        TEST(test_one_that_comes_back_in_time),
        TEST(test_one_that_is_gone_had_the_mark),
        TEST(test_an_offset_that_stands_still_proves_nothing),
        TEST(test_a_reconnect_drops_the_mark),
        TEST(test_offsets_that_restart_on_a_connection),
        TEST(test_one_that_is_gone_after_a_reconnect),
        TEST(test_a_replica_that_was_promoted),
        TEST(test_an_outage_is_not_counted),
        TEST(test_no_grace),
        TEST(test_a_server_that_tells_nothing_any_more),
        TEST(test_two_behind_one_address),
        TEST(test_more_replicas_than_are_kept),
        TEST(test_a_reply_to_role),
        TEST(test_what_is_no_reply_to_role),
        TEST(test_info_replication),
    };

    return cmocka_run_group_tests_name("redis_replicas", tests, NULL, NULL);
}
