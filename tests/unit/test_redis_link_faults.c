/* SPDX-License-Identifier: MIT */
/* A server that is away, refuses, sends nonsense, stops in the middle or sends nothing. */
#include "redis_link_fixture.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define OVERDUE_MS 20

/* --- handshake --- */

static void test_a_handshake_that_fails(void **state)
{
    /* the replies up to the wrong one, and the reason that the link reports */
    static const struct {
        const char *password;
        uint64_t db;
        const char *replies;
        const char *reason;
    } rows[] = {
        {"wrong", 0, "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
         "AUTH: WRONGPASS invalid username-password pair"},
        {"needless", 0, "-ERR AUTH <password> called without any password configured\r\n",
         "AUTH: ERR AUTH <password> called"},
        {"secret", 99, "+OK\r\n-ERR DB index is out of range\r\n", "SELECT: ERR DB index"},
        {"", 0,
         "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"
         "-NOAUTH Authentication required.\r\n",
         "SCRIPT LOAD: NOAUTH Authentication required."},
        {"", 0,
         "-LOADING Redis is loading\r\n-LOADING Redis is loading\r\n-LOADING Redis is "
         "loading\r\n",
         "SCRIPT LOAD: LOADING Redis is loading"},
        {"", 0, "+OK\r\n+OK\r\n-BUSY Redis is busy running a script\r\n", "SCRIPT LOAD: BUSY"},
        {"", 0, "+OK\r\n+OK\r\n+OK\r\n", "SCRIPT LOAD: no digest in reply"},
        {"", 0, "+OK\r\n+OK\r\n$3\r\nabc\r\n", "SCRIPT LOAD: no digest in reply"},
        {"", 0, "+OK\r\n+OK\r\n$-1\r\n", "SCRIPT LOAD: no digest in reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "-NOAUTH no ROLE\r\n", "ROLE: NOAUTH no ROLE"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "-LOADING\r\n", "ROLE: LOADING"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "-NOPERM no ROLE\r\n-NOAUTH\r\n",
         "INFO replication: NOAUTH"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*0\r\n", "ROLE: unexpected reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*-1\r\n", "ROLE: unexpected reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*1\r\n:1\r\n", "ROLE: unexpected reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*1\r\n$-1\r\n", "ROLE: unexpected reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "$6\r\nmaster\r\n", "ROLE: unexpected reply"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*1\r\n$5\r\nslave\r\n", "replica"},
        {"", 0, "+OK\r\n+OK\r\n" FAKE_REDIS_SCRIPT "*1\r\n$8\r\nsentinel\r\n", "Sentinel"},
        {"", 0, "+OK\r\n$22\r\nx\r\nredis_mode:sentinel\r\n", "Sentinel"},
        {"x", 0, "-ERR unknown command 'AUTH', with args beginning with: 'x' \r\n",
         "AUTH: ERR unknown command 'AUTH'"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture->options.password = rows[i].password;
        fixture->options.db = rows[i].db;
        create_link(fixture);
        accept_link(fixture);
        send_reply(fixture, rows[i].replies);
        assert_down(fixture, rows[i].reason);
        assert_true(fake_redis_was_left(&fixture->redis));
        assert_int_equal(health_of(fixture).connects, 0);
        accept_link(fixture); /* the link connects again */
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        assert_int_equal(fixture->changes, 0);
    }
}

/* a master with the longest role that fits, and the longest version */
static void test_a_handshake_that_is_too_long(void **state)
{
    struct fixture *fixture = *state;
    char reply[4096];
    char text[1001];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    create_link(fixture);
    accept_link(fixture);
    send_reply(fixture, "+OK\r\n");
    snprintf(reply, sizeof(reply), "$%zu\r\nredis_version:%s\r\n", strlen(text) + 14, text);
    send_reply(fixture, reply);
    send_reply(fixture, FAKE_REDIS_SCRIPT);
    assert_int_equal(strlen(health_of(fixture).version), sizeof(health_of(fixture).version) - 1);
    snprintf(reply, sizeof(reply), "*1\r\n$%zu\r\n%s\r\n", strlen(text), text);
    send_reply(fixture, reply);
    assert_state(fixture, "down");
    accept_link(fixture);
    snprintf(reply, sizeof(reply), "-%s\r\n-%s\r\n-LOADING %s\r\n", text, text, text);
    send_reply(fixture, reply);
    assert_down(fixture, "SCRIPT LOAD: LOADING xxx");
}

static void test_the_server_hangs_up_in_the_handshake(void **state)
{
    static const char *const names[HANDSHAKE] = {"CLIENT SETNAME", "INFO", "SCRIPT LOAD", "ROLE"};
    char reason[64];
    struct fixture *fixture = *state;

    create_link(fixture);
    for (size_t answered = 0; answered < HANDSHAKE; answered++) {
        accept_link(fixture);
        for (size_t i = 0; i < answered; i++) {
            send_reply(fixture, handshake_replies[i]);
        }
        assert_state(fixture, "handshake");
        fake_redis_hang_up(&fixture->redis);
        turn(fixture);
        snprintf(reason, sizeof(reason), "%s: the server closed the connection", names[answered]);
        assert_down(fixture, reason);
    }
    assert_int_equal(fixture->changes, 0);
    shake_hands(fixture);
}

/* Redis answers the first command with the reason and hangs up */
static void test_the_server_hangs_up_after_an_error_that_does_not_matter(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    accept_link(fixture);
    send_reply(fixture, "-ERR max number of clients reached\r\n");
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_down(fixture, "INFO: the server closed the connection after it said CLIENT SETNAME: ERR "
                         "max number of clients reached");
}

/* errors of Redis repeat the arguments of an unknown command */
static void test_no_secret_is_told(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    fixture->options.password = "s3cret";
    log_set_level(LOG_LEVEL_DEBUG);
    log_capture_begin();
    create_link(fixture);
    accept_link(fixture);
    send_reply(fixture, "-ERR unknown command 'AUTH', with args beginning with: 's3cret' \r\n");
    assert_down(fixture, "AUTH: ERR unknown command 'AUTH'");
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "unknown command"), 1);
    assert_int_equal(count_in_text(log, "s3cret"), 0);
    assert_null(strstr(health_of(fixture).last_error, "s3cret"));
}

/* --- servers of another protocol --- */

static void test_a_port_that_speaks_tls(void **state)
{
    struct fixture *fixture = *state;

    fake_redis_close(&fixture->redis);
    fake_redis_open_port(&fixture->redis, "127.0.0.1", 0);
    create_link(fixture);
    accept_link(fixture);
    fake_redis_write(&fixture->redis, "\x15\x03\x01\x00\x02\x02\x46", 7);
    turn(fixture);
    assert_down(fixture, "the server speaks TLS on this port: see redis.tls");
    /* Redis sends nothing and resets the connection, because it has not read all bytes */
    accept_link(fixture);
    fake_redis_reset(&fixture->redis);
    turn(fixture);
    assert_down(fixture, "CLIENT SETNAME: the server closed the connection, as one that expects "
                         "TLS does: see redis.tls");
    accept_link(fixture);
    send_reply(fixture, "+OK\r\n");
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_down(fixture, "INFO: the server closed the connection");
    assert_null(strstr(health_of(fixture).last_error, "TLS"));
}

/* --- replies --- */

static const char whole_handshake[] = "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER;

static void test_the_handshake_is_cut_at_every_byte(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    for (size_t length = 0; length < sizeof(whole_handshake) - 1; length++) {
        accept_link(fixture);
        fake_redis_write(&fixture->redis, whole_handshake, length);
        fake_redis_hang_up(&fixture->redis);
        turn(fixture);
        assert_state(fixture, "down");
        assert_int_equal(fixture->changes, 0);
    }
    shake_hands(fixture);
}

static void test_a_reply_is_cut_at_every_byte(void **state)
{
    static const char replies[] = "$5\r\nhello\r\n*2\r\n:1\r\n$-1\r\n+OK\r\n";
    /* where the first, second and third reply end */
    static const size_t ends[] = {11, 24, 29};
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (size_t length = 0; length < sizeof(replies); length++) {
        fixture->call_count = 0;
        memset(fixture->calls, 0, sizeof(fixture->calls));
        for (int i = 0; i < 3; i++) {
            send_command(fixture, "X");
        }
        turn(fixture);
        fake_redis_write(&fixture->redis, replies, length);
        fake_redis_hang_up(&fixture->redis);
        turn(fixture);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(fixture->calls[i].ends, 1);
            assert_int_equal(fixture->calls[i].has_reply, length >= ends[i]);
        }
        assert_state(fixture, "down");
        shake_hands(fixture);
    }
}

static void test_nonsense(void **state)
{
    static const struct {
        const char *bytes;
        size_t length; /* 0: a text */
    } rows[] = {
        {"hello\r\n", 0},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 0},
        {"\r\n", 0},
        {"\0\0\0\0", 4},
        {"\x16\x03\x01\x02\x00", 5}, /* TLS */
        {"*1\r\n?\r\n", 0},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0},
    };
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t call = send_command(fixture, "X");

        fake_redis_write(&fixture->redis, rows[i].bytes,
                         rows[i].length != 0 ? rows[i].length : strlen(rows[i].bytes));
        turn(fixture);
        assert_lost(fixture, call, "");
        assert_down(fixture, "");
        assert_true(fake_redis_was_left(&fixture->redis));
        shake_hands(fixture);
    }
}

/* the first half is valid, the second one is not */
static void test_nonsense_in_two_pieces(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    i = send_command(fixture, "X");
    send_reply(fixture, "*2\r\n:1\r\n");
    assert_open(fixture, i);
    send_reply(fixture, "@");
    assert_lost(fixture, i, "rotocol");
    assert_down(fixture, "rotocol");
}

static void test_replies_that_nobody_asked_for(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    send_reply(fixture, ":1\r\n");
    assert_down(fixture, "nothing asked for");
    shake_hands(fixture);
    i = send_command(fixture, "X");
    send_reply(fixture, ":1\r\n:2\r\n");
    assert_reply(fixture, i, "1");
    assert_down(fixture, "nothing asked for");
    accept_link(fixture);
    fake_redis_write(&fixture->redis, whole_handshake, sizeof(whole_handshake) - 1);
    send_reply(fixture, ":1\r\n");
    assert_down(fixture, "nothing asked for");
}

static void test_commands_end_when_the_server_hangs_up(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (int i = 0; i < 5; i++) {
        send_command(fixture, "X");
    }
    send_reply(fixture, ":1\r\n");
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_reply(fixture, 0, "1");
    for (size_t i = 1; i < 5; i++) {
        assert_lost(fixture, i, "read: ");
    }
    assert_int_equal(fixture->changes, 2);
    assert_false(health_of(fixture).available);
    shake_hands(fixture);
    assert_int_equal(health_of(fixture).connects, 2);
}

static void test_a_port_that_is_reset(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    fake_redis_close(&fixture->redis);
    fake_redis_open_port(&fixture->redis, "127.0.0.1", 0);
    make_ready(fixture);
    i = send_command(fixture, "X");
    turn(fixture);
    fake_redis_reset(&fixture->redis);
    turn(fixture);
    assert_lost(fixture, i, "read: ");
    assert_down(fixture, "read: ");
}

/* the server goes away while a command is half written */
static void test_a_write_that_fails(void **state)
{
    enum { LONG = 4000000 };
    struct fixture *fixture = *state;
    char *argument = malloc(LONG + 1);
    size_t i;

    assert_non_null(argument);
    memset(argument, 'x', LONG);
    argument[LONG] = '\0';
    make_ready(fixture);
    i = send_command(fixture, argument);
    send_command(fixture, "Y");
    turn(fixture);
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_lost(fixture, i, "");
    assert_lost(fixture, i + 1, "");
    shake_hands(fixture);
    free(argument);
}

/* --- silence --- */

/* fills the connection queue of a port; returns how many of `ret_fds` are open */
static size_t fill_queue(const struct fake_redis *redis, int *ret_fds, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(redis->address.port)};
    size_t count = 0;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(listen(redis->listener, 0), 0);
    while (count < size) {
        ret_fds[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(ret_fds[count++], (struct sockaddr *)&address, sizeof(address));
    }
    return count;
}

static void test_no_answer_to_connecting(void **state)
{
    struct fixture *fixture = *state;
    int fds[8];
    size_t count;

    fake_redis_close(&fixture->redis);
    fake_redis_open_port(&fixture->redis, "127.0.0.1", 0);
    count = fill_queue(&fixture->redis, fds, 8);
    create_link(fixture);
    advance(fixture, CONNECT_TIMEOUT_MS - OVERDUE_MS);
    assert_state(fixture, "connecting");
    advance(fixture, 2 * OVERDUE_MS);
    assert_contains(health_of(fixture).last_error, "connecting: no answer within 1s");
    while (count-- != 0) {
        close(fds[count]);
    }
}

static void test_no_answer_to_a_look_up(void **state)
{
    struct fixture *fixture = *state;

    fake_resolver_hang("slow.test");
    strcpy(fixture->options.address.host, "slow.test");
    fixture->options.address.port = 6379;
    fixture->link = redis_link_create(fixture->loop, &fixture->options);
    for (int i = 0; i < 3; i++) {
        assert_state(fixture, "resolving");
        advance(fixture, CONNECT_TIMEOUT_MS - OVERDUE_MS);
        assert_state(fixture, "resolving");
        advance(fixture, OVERDUE_MS);
        assert_down(fixture, "resolving: no answer within 1s");
        while (strcmp(health_of(fixture).state, "down") == 0) {
            advance(fixture, 5);
        }
    }
}

static void test_no_answer_to_the_handshake(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    for (size_t answered = 0; answered < HANDSHAKE; answered++) {
        accept_link(fixture);
        for (size_t i = 0; i < answered; i++) {
            send_reply(fixture, handshake_replies[i]);
        }
        advance(fixture, CONNECT_TIMEOUT_MS - OVERDUE_MS);
        assert_state(fixture, "handshake");
        advance(fixture, OVERDUE_MS + 5);
        assert_contains(health_of(fixture).last_error, "handshake: no answer within 1s");
        assert_true(fake_redis_was_left(&fixture->redis));
    }
}

/* the timeout covers the whole handshake; further bytes do not extend it */
static void test_a_handshake_that_drips(void **state)
{
    struct fixture *fixture = *state;
    size_t sent = 0;

    create_link(fixture);
    accept_link(fixture);
    while (strcmp(health_of(fixture).state, "handshake") == 0) {
        assert_true(sent < CONNECT_TIMEOUT_MS / 100 + 2);
        fake_redis_write(&fixture->redis, &whole_handshake[sent++], 1);
        advance(fixture, 100);
    }
    assert_contains(health_of(fixture).last_error, "handshake: no answer within 1s");
}

static void test_no_answer_to_a_command(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    advance(fixture, 1000); /* the heartbeat's timer runs too */
    i = send_command(fixture, "X");
    advance(fixture, COMMAND_TIMEOUT_MS - OVERDUE_MS);
    assert_open(fixture, i);
    advance(fixture, OVERDUE_MS + 5);
    assert_lost(fixture, i, "command: no answer within 2s");
    assert_contains(health_of(fixture).last_error, "command: no answer within 2s");
    shake_hands(fixture);
}

static void test_each_command_has_its_time(void **state)
{
    struct fixture *fixture = *state;
    size_t first;
    size_t second;

    make_ready(fixture);
    first = send_command(fixture, "ONE");
    advance(fixture, COMMAND_TIMEOUT_MS - 500);
    second = send_command(fixture, "TWO");
    advance(fixture, 400);
    send_reply(fixture, ":1\r\n");
    assert_reply(fixture, first, "1");
    advance(fixture, COMMAND_TIMEOUT_MS - 400 - OVERDUE_MS);
    assert_open(fixture, second);
    send_reply(fixture, ":2\r\n");
    assert_reply(fixture, second, "2");
    first = send_command(fixture, "THREE");
    advance(fixture, 1000);
    second = send_command(fixture, "FOUR");
    advance(fixture, 1000 + OVERDUE_MS);
    assert_lost(fixture, first, "command: no answer");
    assert_lost(fixture, second, "command: no answer");
}

static void test_a_reply_that_drips(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    make_ready(fixture);
    i = send_command(fixture, "X");
    fake_redis_send(&fixture->redis, "$100\r\n");
    for (uint64_t ms = 0; ms < COMMAND_TIMEOUT_MS + OVERDUE_MS && fixture->is_ready; ms += 100) {
        send_reply(fixture, "x");
        advance(fixture, 100);
    }
    assert_lost(fixture, i, "command: no answer");
}

static void test_no_answer_to_a_heartbeat(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    advance(fixture, HEARTBEAT_MS + 10);
    expect_command(fixture, "ROLE");
    advance(fixture, COMMAND_TIMEOUT_MS - OVERDUE_MS);
    assert_state(fixture, "ready");
    advance(fixture, 2 * OVERDUE_MS);
    assert_contains(health_of(fixture).last_error, "command: no answer within 2s");
    assert_int_equal(fixture->changes, 2);
}

/* --- coming back --- */

static void test_nobody_listens(void **state)
{
    struct fixture *fixture = *state;

    fake_redis_stop_listening(&fixture->redis);
    create_link(fixture);
    turn(fixture);
    assert_down(fixture, "connect: No such file or directory");
    advance(fixture, 30000);
    assert_down(fixture, "connect: No such file or directory");
    fake_redis_listen_again(&fixture->redis);
    shake_hands(fixture);
    assert_int_equal(fixture->changes, 1);
}

static void test_a_port_that_refuses(void **state)
{
    struct fixture *fixture = *state;

    fake_redis_close(&fixture->redis);
    fake_redis_open_port(&fixture->redis, "127.0.0.1", 0);
    fake_redis_stop_listening(&fixture->redis);
    create_link(fixture);
    turn(fixture);
    assert_down(fixture, "connect: Connection refused");
}

static void test_a_name_that_does_not_exist(void **state)
{
    struct fixture *fixture = *state;

    fake_resolver_fail("nobody.test", EAI_NONAME);
    strcpy(fixture->options.address.host, "nobody.test");
    fixture->link = redis_link_create(fixture->loop, &fixture->options);
    fake_resolver_wait();
    while (strcmp(health_of(fixture).state, "resolving") == 0) {
        loop_turn(fixture->loop, 1);
    }
    assert_down(fixture, "resolve: Name or service not known");
}

/* counts the attempts that arrive in `ms`, and closes each of them */
static unsigned count_attempts(struct fixture *fixture, uint64_t ms)
{
    unsigned count = 0;

    for (uint64_t passed = 0; passed < ms; passed += 5) {
        advance(fixture, 5);
        if (fake_redis_accept(&fixture->redis)) {
            fake_redis_hang_up(&fixture->redis);
            turn(fixture);
            count++;
        }
    }
    return count;
}

static void test_attempts_keep_a_distance(void **state)
{
    struct fixture *fixture = *state;

    create_link(fixture);
    /* delays of 0.25 s on average in the first minute, of 2.5 s after it; draws vary */
    assert_in_range(count_attempts(fixture, 60000), 180, 330);
    assert_in_range(count_attempts(fixture, 60000), 10, 60);
    shake_hands(fixture); /* the delays begin again */
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    advance(fixture, BACKOFF_FIRST_MS + 10);
    assert_true(fake_redis_accept(&fixture->redis));
}

static void test_the_same_failure_is_logged_once_a_minute(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    create_link(fixture);
    count_attempts(fixture, 59000);
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "warning"), 1);
    assert_int_equal(count_in_text(log, "retrying in "), 1);
    log_capture_begin();
    count_attempts(fixture, 62000);
    log = log_capture_end();
    assert_in_range(count_in_text(log, "warning"), 1, 2);
    log_capture_begin();
    fake_redis_stop_listening(&fixture->redis);
    advance(fixture, BACKOFF_MAX_MS + 10);
    fake_redis_listen_again(&fixture->redis);
    shake_hands(fixture);
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "warning"), 1); /* another reason */
    assert_int_equal(count_in_text(log, "No such file"), 1);
    assert_int_equal(count_in_text(log, "ready after "), 1);
    assert_int_equal(count_in_text(log, "version 7.0.15"), 1);
    log_capture_begin();
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "warning"), 1); /* it was ready in between */
}

/* --- destroy --- */

static void test_destroy_in_every_state(void **state)
{
    static const char *const states[] = {"down", "resolving", "connecting", "handshake", "ready"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        size_t first = fixture->call_count;
        bool has_calls = strcmp(states[i], "ready") == 0;

        fixture->changes = 0;
        fixture->is_ready = false;
        fixture->options.address = fixture->redis.address;
        if (strcmp(states[i], "down") == 0) {
            strcpy(fixture->options.address.path, "/nonexistent/socket");
        } else if (strcmp(states[i], "resolving") == 0) {
            fake_resolver_hang("slow.test");
            fixture->options.address = (struct address){.host = "slow.test", .port = 1};
        }
        fixture->link = redis_link_create(fixture->loop, &fixture->options);
        if (strcmp(states[i], "down") == 0) {
            turn(fixture);
        } else if (strcmp(states[i], "handshake") == 0) {
            accept_link(fixture);
        } else if (has_calls) {
            shake_hands(fixture);
            send_command(fixture, "ONE");
            send_command(fixture, "TWO");
        }
        assert_state(fixture, states[i]);
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        if (has_calls) {
            assert_lost(fixture, first, "closed");
            assert_lost(fixture, first + 1, "closed");
        }
        assert_int_equal(fixture->changes, has_calls ? 1 : 0);
        advance(fixture, BACKOFF_MAX_MS + 10); /* no timer is left that connects again */
        fake_resolver_forget();
        while (fake_redis_accept(&fixture->redis)) {
            assert_true(fake_redis_was_left(&fixture->redis));
        }
    }
    redis_link_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_handshake_that_fails),
        TEST(test_a_handshake_that_is_too_long),
        TEST(test_the_server_hangs_up_in_the_handshake),
        TEST(test_the_server_hangs_up_after_an_error_that_does_not_matter),
        TEST(test_no_secret_is_told),
        TEST(test_a_port_that_speaks_tls),
        TEST(test_the_handshake_is_cut_at_every_byte),
        TEST(test_a_reply_is_cut_at_every_byte),
        TEST(test_nonsense),
        TEST(test_nonsense_in_two_pieces),
        TEST(test_replies_that_nobody_asked_for),
        TEST(test_commands_end_when_the_server_hangs_up),
        TEST(test_a_port_that_is_reset),
        TEST(test_a_write_that_fails),
        TEST(test_no_answer_to_connecting),
        TEST(test_no_answer_to_a_look_up),
        TEST(test_no_answer_to_the_handshake),
        TEST(test_a_handshake_that_drips),
        TEST(test_no_answer_to_a_command),
        TEST(test_each_command_has_its_time),
        TEST(test_a_reply_that_drips),
        TEST(test_no_answer_to_a_heartbeat),
        TEST(test_nobody_listens),
        TEST(test_a_port_that_refuses),
        TEST(test_a_name_that_does_not_exist),
        TEST(test_attempts_keep_a_distance),
        TEST(test_the_same_failure_is_logged_once_a_minute),
        TEST(test_destroy_in_every_state),
    };

    return cmocka_run_group_tests_name("redis_link_faults", tests, NULL, NULL);
}
