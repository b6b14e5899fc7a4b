/* SPDX-License-Identifier: MIT */
/**
 * redis_link_fixture: a link to a fake server with a fake clock, and the steps of the link's tests.
 * The test decides the server's answers and the time.
 */
#ifndef VISITCOUNTD_TESTS_REDIS_LINK_FIXTURE_H
#define VISITCOUNTD_TESTS_REDIS_LINK_FIXTURE_H

#include "store/redis/redis_link.h"

#include "base/backoff.h"
#include "base/log.h"
#include "support/fake_clock.h"
#include "support/fake_redis.h"
#include "support/fake_resolver.h"
#include "support/log_capture.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONNECT_TIMEOUT_MS 1000
#define COMMAND_TIMEOUT_MS 2000
#define HEARTBEAT_MS       15000

#define START_MS 1000000
#define WALL_MS  (500000 * UINT64_C(3600000))

#define CALLS_MAX 64

struct test_call {
    struct redis_call call;
    struct fixture *fixture;
    int ends; /* calls of on_reply: 1 in the end */
    bool has_reply;
    char text[256]; /* of the reply, or the reason why there is none */
};

struct fixture {
    struct loop *loop;
    struct fake_redis redis;
    struct redis_link_options options;
    struct redis_link *link;
    bool is_ready;
    int changes; /* calls of on_change */
    struct test_call calls[CALLS_MAX];
    size_t call_count;
    void (*on_reply)(struct fixture *fixture); /* what a test does inside a reply */
};

/*
 * A loop with a cancelled look-up is never freed. This array keeps it reachable, so that leak
 * checkers do not report it.
 */
static struct loop *volatile loops[64];
static size_t loop_count;

static inline void on_change(void *data, bool ready)
{
    struct fixture *fixture = data;

    assert_true(ready != fixture->is_ready);
    fixture->is_ready = ready;
    fixture->changes++;
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    fake_clock_stop(START_MS, WALL_MS);
    fixture->loop = loop_create();
    loops[loop_count++ % 64] = fixture->loop;
    fake_redis_open(&fixture->redis);
    fixture->options = (struct redis_link_options){.username = "",
                                                   .password = "",
                                                   .client_name = "visitcountd-test",
                                                   .script = "return 1",
                                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                   .command_timeout_ms = COMMAND_TIMEOUT_MS,
                                                   .replica_grace_ms = 600000,
                                                   .on_change = on_change,
                                                   .data = fixture};
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    redis_link_destroy(fixture->link);
    fake_resolver_forget();
    fake_redis_close(&fixture->redis);
    loop_destroy(fixture->loop);
    for (size_t i = 0; i < fixture->call_count; i++) {
        assert_int_equal(fixture->calls[i].ends, 1);
    }
    free(fixture);
    fake_clock_release();
    return 0;
}

/* --- steps --- */

static inline void turn(struct fixture *fixture)
{
    loop_turn(fixture->loop, 4);
}

static inline void advance(struct fixture *fixture, uint64_t ms)
{
    loop_advance(fixture->loop, ms, 5);
}

static inline struct store_health health_of(struct fixture *fixture)
{
    struct store_health health;

    redis_link_health(fixture->link, &health);
    return health;
}

#define assert_state(fixture, expected) assert_string_equal(health_of(fixture).state, expected)

static inline void create_link(struct fixture *fixture)
{
    fixture->options.address = fixture->redis.address;
    fixture->link = redis_link_create(fixture->loop, &fixture->options);
    assert_int_equal(fixture->changes, 0); /* never from inside the call */
}

/* waits for a new connection at the server, at most the longest delay */
static inline void accept_link(struct fixture *fixture)
{
    for (uint64_t ms = 0; !fake_redis_accept(&fixture->redis); ms += 5) {
        assert_true(ms <= BACKOFF_MAX_MS + 10);
        advance(fixture, 5);
    }
    turn(fixture);
}

static inline void expect_command(struct fixture *fixture, const char *expected)
{
    const char *command = fake_redis_command(&fixture->redis);

    assert_non_null(command);
    assert_string_equal(command, expected);
}

static inline void expect_no_command(struct fixture *fixture)
{
    assert_null(fake_redis_command(&fixture->redis));
}

static inline void send_reply(struct fixture *fixture, const char *reply)
{
    fake_redis_send(&fixture->redis, reply);
    turn(fixture);
}

/* the number of commands in the handshake of a link without password and database */
#define HANDSHAKE 4

static const char *const handshake_commands[HANDSHAKE] = {
    "CLIENT SETNAME visitcountd-test",
    "INFO server",
    "SCRIPT LOAD return 1",
    "ROLE",
};
static const char *const handshake_replies[HANDSHAKE] = {
    "+OK\r\n",
    FAKE_REDIS_INFO,
    FAKE_REDIS_SCRIPT,
    FAKE_REDIS_MASTER,
};

static inline void expect_handshake(struct fixture *fixture)
{
    for (size_t i = 0; i < HANDSHAKE; i++) {
        expect_command(fixture, handshake_commands[i]);
    }
    expect_no_command(fixture);
}

/* accepts the connection and answers the handshake; then the link is ready */
static inline void shake_hands(struct fixture *fixture)
{
    accept_link(fixture);
    assert_state(fixture, "handshake");
    expect_handshake(fixture);
    for (size_t i = 0; i < HANDSHAKE; i++) {
        assert_false(redis_link_is_ready(fixture->link));
        send_reply(fixture, handshake_replies[i]);
    }
    assert_state(fixture, "ready");
    assert_true(fixture->is_ready);
}

static inline void make_ready(struct fixture *fixture)
{
    create_link(fixture);
    shake_hands(fixture);
}

static inline void on_reply(struct redis_call *call, const struct redisReply *reply,
                            const char *reason)
{
    struct test_call *own = container_of(call, struct test_call, call);
    struct fixture *fixture = own->fixture;

    own->ends++;
    own->has_reply = reply != NULL;
    assert_true((reply == NULL) == (reason != NULL));
    if (reply == NULL) {
        snprintf(own->text, sizeof(own->text), "%s", reason);
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(own->text, sizeof(own->text), "%lld", reply->integer);
    } else if (reply->str != NULL) {
        snprintf(own->text, sizeof(own->text), "%s", reply->str);
    }
    memset(call, 0xa5, sizeof(*call)); /* the owner may free it now */
    if (fixture->on_reply != NULL) {
        fixture->on_reply(fixture);
    }
}

static inline int try_send(struct fixture *fixture, const char *command)
{
    struct test_call *own = &fixture->calls[fixture->call_count];
    struct redis_command written = REDIS_COMMAND_EMPTY;
    int error;

    assert_true(fixture->call_count < CALLS_MAX);
    own->fixture = fixture;
    own->call.on_reply = on_reply;
    fixture->call_count++;
    redis_command_begin(&written, command);
    error = redis_link_send(fixture->link, &own->call, &written);
    redis_command_finish(&written);
    assert_int_equal(own->ends, 0); /* never from inside the call */
    fixture->call_count -= error != 0 ? 1 : 0;
    return error;
}

/* returns the call's index */
static inline size_t send_command(struct fixture *fixture, const char *command)
{
    assert_int_equal(try_send(fixture, command), 0);
    return fixture->call_count - 1;
}

#define assert_reply(fixture, i, expected)                       \
    do {                                                         \
        assert_int_equal((fixture)->calls[i].ends, 1);           \
        assert_true((fixture)->calls[i].has_reply);              \
        assert_string_equal((fixture)->calls[i].text, expected); \
    } while (0)

/* the call ended without a reply, and the reason contains `expected` */
#define assert_lost(fixture, i, expected)                    \
    do {                                                     \
        assert_int_equal((fixture)->calls[i].ends, 1);       \
        assert_false((fixture)->calls[i].has_reply);         \
        assert_contains((fixture)->calls[i].text, expected); \
    } while (0)

#define assert_open(fixture, i) assert_int_equal((fixture)->calls[i].ends, 0)

#define assert_contains(text, part)                          \
    do {                                                     \
        if (strstr(text, part) == NULL) {                    \
            fail_msg("\"%s\" is not in \"%s\"", part, text); \
        }                                                    \
    } while (0)

/* the link went down, says why, and closed the connection */
#define assert_down(fixture, reason)                            \
    do {                                                        \
        assert_state(fixture, "down");                          \
        assert_false((fixture)->is_ready);                      \
        assert_contains(health_of(fixture).last_error, reason); \
    } while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
