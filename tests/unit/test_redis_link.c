/* SPDX-License-Identifier: MIT */
/*
 * How a link comes up, stays up, and carries commands. test_redis_link_faults.c tests faults.
 * test_redis_link_servers.c tests kinds of servers.
 */
#include "redis_link_fixture.h"

/* --- handshake --- */

static void test_the_handshake_says_what_is_configured(void **state)
{
    static const struct {
        const char *username;
        const char *password;
        uint64_t db;
        const char *first[3]; /* commands before CLIENT SETNAME */
    } rows[] = {
        {"", "", 0, {NULL}},
        {"", "secret", 0, {"AUTH secret", NULL}},
        {"counter", "secret", 0, {"AUTH counter secret", NULL}},
        {"counter", "", 0, {"AUTH counter ", NULL}}, /* a user without password: nopass */
        {"", "", 3, {"SELECT 3", NULL}},
        {"counter", "a b\r\nc", 15, {"AUTH counter a b\r\nc", "SELECT 15", NULL}},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t count = 0;

        fixture->options.username = rows[i].username;
        fixture->options.password = rows[i].password;
        fixture->options.db = rows[i].db;
        fixture->changes = 0;
        create_link(fixture);
        accept_link(fixture);
        for (; rows[i].first[count] != NULL; count++) {
            expect_command(fixture, rows[i].first[count]);
        }
        expect_handshake(fixture);
        while (count-- != 0) {
            send_reply(fixture, "+OK\r\n");
        }
        for (size_t j = 0; j < HANDSHAKE; j++) {
            assert_false(fixture->is_ready);
            send_reply(fixture, handshake_replies[j]);
        }
        assert_true(fixture->is_ready);
        assert_int_equal(fixture->changes, 1);
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        assert_int_equal(fixture->changes, 1); /* no notification of its own end */
        fixture->is_ready = false;
    }
}

static void test_what_a_ready_link_knows(void **state)
{
    struct fixture *fixture = *state;
    struct store_health health;
    char address[ADDRESS_TEXT_MAX];

    create_link(fixture);
    health = health_of(fixture);
    assert_string_equal(health.backend, "redis");
    assert_string_equal(health.address, address_format(&fixture->redis.address, address));
    assert_false(health.available);
    assert_int_equal(health.connects, 0);
    advance(fixture, 20);
    shake_hands(fixture);
    health = health_of(fixture);
    assert_true(health.available);
    assert_true(redis_link_is_ready(fixture->link));
    assert_string_equal(redis_link_script_sha(fixture->link), FAKE_REDIS_SHA);
    assert_string_equal(health.version, "7.0.15");
    assert_string_equal(health.role, "master");
    assert_string_equal(health.last_error, "");
    assert_int_equal(health.connects, 1);
    assert_int_equal(health.commands, HANDSHAKE);
    assert_int_equal(health.in_flight, 0);
    assert_int_equal(health.changed_at_ms, START_MS + 20);
}

/* CLIENT SETNAME and INFO are optional: the link comes up whatever error they get */
static void test_a_handshake_that_is_refused_in_part(void **state)
{
    static const char *const errors[] = {
        "-NOPERM no permission\r\n",
        "-ERR unknown command 'CLIENT', with args beginning with: 'SETNAME' 'x'\r\n",
        "-ERR unsupported\r\n",
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
        "-BLOCKED by a proxy\r\n",
        "-LOADING not for these\r\n",
        "-NOAUTH not for these\r\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        create_link(fixture);
        accept_link(fixture);
        expect_handshake(fixture);
        send_reply(fixture, errors[i]);
        send_reply(fixture, errors[i]);
        send_reply(fixture, FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER);
        assert_state(fixture, "ready");
        assert_string_equal(health_of(fixture).version, "");
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        fixture->changes = 0;
        fixture->is_ready = false;
    }
}

/* SHA-1 of "return 1" */
#define OWN_SHA "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"

/* then the first batch sends the script; EVALSHA needs its digest anyway */
static void test_a_script_that_cannot_be_loaded(void **state)
{
    static const char *const errors[] = {
        "-ERR unknown command 'SCRIPT', with args beginning with: 'LOAD' 'return 1'\r\n",
        "-NOPERM no SCRIPT\r\n",
        "-ERR SCRIPT is not supported\r\n",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        create_link(fixture);
        accept_link(fixture);
        send_reply(fixture, "+OK\r\n" FAKE_REDIS_INFO);
        send_reply(fixture, errors[i]);
        send_reply(fixture, FAKE_REDIS_MASTER);
        assert_state(fixture, "ready");
        assert_string_equal(redis_link_script_sha(fixture->link), OWN_SHA);
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        fixture->changes = 0;
        fixture->is_ready = false;
    }
}

static void test_replies_in_single_bytes(void **state)
{
    struct fixture *fixture = *state;
    size_t first;

    create_link(fixture);
    accept_link(fixture);
    for (size_t i = 0; i < HANDSHAKE; i++) {
        for (const char *at = handshake_replies[i]; *at != '\0'; at++) {
            assert_false(fixture->is_ready);
            fake_redis_write(&fixture->redis, at, 1);
            loop_turn(fixture->loop, 1);
        }
    }
    assert_true(fixture->is_ready);
    first = send_command(fixture, "ONE");
    send_command(fixture, "TWO");
    for (const char *at = "$3\r\nabc\r\n:42\r\n"; *at != '\0'; at++) {
        fake_redis_write(&fixture->redis, at, 1);
        loop_turn(fixture->loop, 1);
    }
    assert_reply(fixture, first, "abc");
    assert_reply(fixture, first + 1, "42");
}

static void test_the_whole_handshake_and_more_in_one_piece(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    accept_link(fixture);
    send_reply(fixture, "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER);
    assert_true(fixture->is_ready);
    assert_int_equal(fixture->changes, 1);
}

/* --- commands --- */

static void test_replies_go_to_their_commands_in_order(void **state)
{
    static const char *const replies[] = {":1\r\n", "+two\r\n", "-ERR three\r\n", "$4\r\nfour\r\n",
                                          "$0\r\n\r\n"};
    static const char *const texts[] = {"1", "two", "ERR three", "four", ""};
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (size_t i = 0; i < 5; i++) {
        send_command(fixture, texts[i]);
    }
    assert_int_equal(health_of(fixture).in_flight, 5);
    turn(fixture);
    for (size_t i = 0; i < 5; i++) {
        expect_command(fixture, texts[i]);
        assert_open(fixture, i);
        send_reply(fixture, replies[i]);
        assert_reply(fixture, i, texts[i]);
    }
    assert_int_equal(health_of(fixture).in_flight, 0);
    assert_int_equal(health_of(fixture).commands, HANDSHAKE + 5);
}

static void test_arguments_are_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct test_call *own = &fixture->calls[fixture->call_count++];
    struct redis_command command = REDIS_COMMAND_EMPTY;
    static const char expected[] =
        "*4\r\n$7\r\nEVALSHA\r\n$3\r\na\0b\r\n$0\r\n\r\n$6\r\n\r\n$3\r\n\r\n";
    char bytes[128];

    make_ready(fixture);
    own->fixture = fixture;
    own->call.on_reply = on_reply;
    redis_command_begin(&command, "EVALSHA");
    redis_command_add(&command, "a\0b", 3);
    redis_command_add_text(&command, "");
    redis_command_add_text(&command, "\r\n$3\r\n");
    assert_int_equal(redis_link_send(fixture->link, &own->call, &command), 0);
    redis_command_finish(&command);
    turn(fixture);
    assert_int_equal(fake_redis_read(&fixture->redis, bytes, sizeof(bytes)), sizeof(expected) - 1);
    assert_memory_equal(bytes, expected, sizeof(expected) - 1);
    send_reply(fixture, "+OK\r\n");
}

static void test_more_than_fits_into_the_socket(void **state)
{
    enum { LONG = 1000000, COMMANDS = 8 };
    struct fixture *fixture = *state;
    char *argument = malloc(LONG + 1);
    size_t received = 0;

    assert_non_null(argument);
    memset(argument, 'x', LONG);
    argument[LONG] = '\0';
    make_ready(fixture);
    for (int i = 0; i < COMMANDS; i++) {
        argument[0] = (char)('a' + i);
        send_command(fixture, argument);
    }
    argument[0] = '?'; /* the link has copies */
    for (int i = 0; i < 10000 && received < COMMANDS; i++) {
        const char *command;

        turn(fixture);
        while ((command = fake_redis_command(&fixture->redis)) != NULL) {
            assert_int_equal(command[0], 'a' + (int)received);
            assert_int_equal(strlen(command), LONG);
            received++;
        }
    }
    assert_int_equal(received, COMMANDS);
    for (int i = 0; i < COMMANDS; i++) {
        send_reply(fixture, ":1\r\n");
    }
    assert_reply(fixture, COMMANDS - 1, "1");
    free(argument);
}

static void test_a_long_reply(void **state)
{
    enum { LONG = 100000 };
    struct fixture *fixture = *state;
    char *reply = malloc(LONG + 32);
    size_t length = (size_t)sprintf(reply, "$%d\r\n", LONG);
    size_t i;

    memset(reply + length, 'x', LONG);
    strcpy(reply + length + LONG, "\r\n:7\r\n");
    length += LONG + 6;
    make_ready(fixture);
    i = send_command(fixture, "LONG");
    send_command(fixture, "NEXT");
    for (size_t at = 0; at < length; at += 10000) {
        fake_redis_write(&fixture->redis, reply + at, length - at < 10000 ? length - at : 10000);
        turn(fixture);
    }
    assert_int_equal(fixture->calls[i].ends, 1);
    assert_int_equal(strlen(fixture->calls[i].text), sizeof(fixture->calls[i].text) - 1);
    assert_reply(fixture, i + 1, "7");
    free(reply);
}

static void test_the_round_trip_is_measured(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    send_command(fixture, "PING");
    advance(fixture, 30);
    send_reply(fixture, "+PONG\r\n");
    assert_int_equal(health_of(fixture).round_trip_us, 30000);
}

static void test_commands_need_a_ready_link(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    assert_int_equal(try_send(fixture, "EARLY"), -ENOTCONN);
    accept_link(fixture);
    assert_int_equal(try_send(fixture, "EARLY"), -ENOTCONN);
    expect_handshake(fixture);
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_int_equal(try_send(fixture, "LATE"), -ENOTCONN);
    assert_int_equal(health_of(fixture).in_flight, 0);
}

static void on_ignored_reply(struct redis_call *call, const struct redisReply *reply,
                             const char *reason)
{
    (void)reply;
    (void)reason;
    free(call);
}

static void test_a_bounded_number_of_commands_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct redis_command command = REDIS_COMMAND_EMPTY;
    struct redis_call *call;
    size_t count = 0;
    int error = 0;

    make_ready(fixture);
    redis_command_begin(&command, "X");
    while (error == 0) {
        assert_true(count < 1000000);
        call = calloc(1, sizeof(*call));
        assert_non_null(call);
        call->on_reply = on_ignored_reply;
        error = redis_link_send(fixture->link, call, &command);
        count += error == 0 ? 1 : 0;
    }
    assert_int_equal(error, -ENOBUFS);
    assert_int_equal(health_of(fixture).in_flight, count);
    send_reply(fixture, ":1\r\n"); /* room for one more */
    call->on_reply = on_ignored_reply;
    assert_int_equal(redis_link_send(fixture->link, call, &command), 0);
    redis_command_finish(&command);
    assert_int_equal(try_send(fixture, "X"), -ENOBUFS);
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_int_equal(health_of(fixture).in_flight, 0);
}

/* --- inside a reply --- */

static void send_one_more(struct fixture *fixture)
{
    if (fixture->call_count < 10) {
        send_command(fixture, "MORE");
    }
}

static void test_a_command_from_inside_a_reply(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    fixture->on_reply = send_one_more;
    send_command(fixture, "FIRST");
    for (size_t i = 0; i < 10; i++) {
        turn(fixture);
        expect_command(fixture, i == 0 ? "FIRST" : "MORE");
        send_reply(fixture, ":1\r\n");
        assert_reply(fixture, i, "1");
    }
    expect_no_command(fixture);
}

static void reset_link(struct fixture *fixture)
{
    fixture->on_reply = NULL;
    redis_link_reset(fixture->link, "READONLY says the server");
    assert_int_equal(try_send(fixture, "LATE"), -ENOTCONN);
}

static void test_a_reset_from_inside_a_reply(void **state)
{
    static const char *const replies[] = {
        "-READONLY\r\n",                   /* the last bytes */
        "-READONLY\r\n:2\r\n",             /* the next reply has arrived; it is ignored */
        "-READONLY\r\n:2\r\n:3\r\n:4\r\n", /* more replies than commands */
        "-READONLY\r\n$100\r\nxx",         /* and a part of a reply */
        "-READONLY\r\nrubbish\r\n",
    };
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        size_t first = send_command(fixture, "ONE");

        send_command(fixture, "TWO");
        send_command(fixture, "THREE");
        fixture->on_reply = reset_link;
        send_reply(fixture, replies[i]);
        assert_reply(fixture, first, "READONLY");
        assert_lost(fixture, first + 1, "READONLY says the server");
        assert_lost(fixture, first + 2, "READONLY says the server");
        assert_down(fixture, "READONLY says the server");
        assert_true(fake_redis_was_left(&fixture->redis));
        shake_hands(fixture);
    }
    assert_int_equal(health_of(fixture).connects, 1 + sizeof(replies) / sizeof(replies[0]));
}

static void test_a_reset_from_outside(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    i = send_command(fixture, "ONE");
    redis_link_reset(fixture->link, "because");
    assert_lost(fixture, i, "because");
    assert_down(fixture, "because");
    redis_link_reset(fixture->link, "once more"); /* harmless */
    assert_down(fixture, "because");
    shake_hands(fixture);
}

/* --- heartbeat --- */

static void test_an_idle_link_asks_for_the_role(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (int i = 0; i < 3; i++) {
        advance(fixture, HEARTBEAT_MS - 10);
        expect_no_command(fixture);
        advance(fixture, 20);
        expect_command(fixture, "ROLE");
        expect_no_command(fixture);
        send_reply(fixture, FAKE_REDIS_MASTER);
    }
    assert_int_equal(fixture->changes, 1);
}

/* ROLE also reports the replicas */
static void test_a_busy_link_asks_as_well(void **state)
{
    struct fixture *fixture = *state;
    int asked = 0;

    make_ready(fixture);
    for (uint64_t ms = 0; ms < 3 * HEARTBEAT_MS + 500; ms += 1000) {
        const char *command;

        send_command(fixture, "BUSY");
        turn(fixture);
        while ((command = fake_redis_command(&fixture->redis)) != NULL) {
            if (strcmp(command, "ROLE") == 0) {
                asked++;
                send_reply(fixture, FAKE_REDIS_MASTER);
            } else {
                send_reply(fixture, ":1\r\n");
            }
        }
        advance(fixture, 1000);
    }
    assert_in_range(asked, 2, 3);
    assert_int_equal(fixture->changes, 1);
}

static void test_commands_during_a_heartbeat(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    advance(fixture, HEARTBEAT_MS + 10);
    i = send_command(fixture, "ONE");
    turn(fixture);
    expect_command(fixture, "ROLE");
    expect_command(fixture, "ONE");
    send_reply(fixture, FAKE_REDIS_MASTER ":1\r\n");
    assert_reply(fixture, i, "1");
    advance(fixture, HEARTBEAT_MS - 10);
    expect_no_command(fixture);
}

static void test_a_master_that_was_demoted_is_left(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    advance(fixture, HEARTBEAT_MS + 10);
    expect_command(fixture, "ROLE");
    i = send_command(fixture, "ONE");
    send_reply(fixture,
               "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6380\r\n$9\r\nconnected\r\n:1\r\n");
    assert_down(fixture, "replica");
    assert_lost(fixture, i, "replica");
    assert_string_equal(health_of(fixture).role, "slave");
    shake_hands(fixture);
    assert_string_equal(health_of(fixture).role, "master");
}

/* --- names --- */

static void test_a_name_is_looked_up_first(void **state)
{
    struct fixture *fixture = *state;

    fake_redis_close(&fixture->redis);
    fake_redis_open_port(&fixture->redis, "127.0.0.1", 0);
    fake_resolver_hang("redis.test");
    strcpy(fixture->redis.address.host, "redis.test");
    create_link(fixture);
    assert_state(fixture, "resolving");
    turn(fixture);
    assert_state(fixture, "resolving");
    fake_resolver_answer("redis.test", (const char *const[]){"127.0.0.1", NULL});
    fake_resolver_wait();
    /* another thread delivers the answer at any time */
    while (!fake_redis_accept(&fixture->redis)) {
        loop_turn(fixture->loop, 1);
    }
    turn(fixture);
    expect_handshake(fixture);
    send_reply(fixture, "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER);
    while (!fixture->is_ready) {
        loop_turn(fixture->loop, 1);
    }
    assert_state(fixture, "ready");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_handshake_says_what_is_configured),
        TEST(test_what_a_ready_link_knows),
        TEST(test_a_handshake_that_is_refused_in_part),
        TEST(test_a_script_that_cannot_be_loaded),
        TEST(test_replies_in_single_bytes),
        TEST(test_the_whole_handshake_and_more_in_one_piece),
        TEST(test_replies_go_to_their_commands_in_order),
        TEST(test_arguments_are_bytes),
        TEST(test_more_than_fits_into_the_socket),
        TEST(test_a_long_reply),
        TEST(test_the_round_trip_is_measured),
        TEST(test_commands_need_a_ready_link),
        TEST(test_a_bounded_number_of_commands_is_in_flight),
        TEST(test_a_command_from_inside_a_reply),
        TEST(test_a_reset_from_inside_a_reply),
        TEST(test_a_reset_from_outside),
        TEST(test_an_idle_link_asks_for_the_role),
        TEST(test_a_busy_link_asks_as_well),
        TEST(test_commands_during_a_heartbeat),
        TEST(test_a_master_that_was_demoted_is_left),
        TEST(test_a_name_is_looked_up_first),
    };

    return cmocka_run_group_tests_name("redis_link", tests, NULL, NULL);
}
