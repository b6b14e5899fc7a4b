/* SPDX-License-Identifier: MIT */
/* A link to various kinds of servers: without ROLE, with replicas, with several addresses. */
#include "redis_link_fixture.h"

/* --- role --- */

#define NO_ROLE "-ERR unknown command 'ROLE', with args beginning with: \r\n"

static void send_info(struct fixture *fixture, const char *text)
{
    char reply[1024];

    snprintf(reply, sizeof(reply), "$%zu\r\n%s\r\n", strlen(text), text);
    send_reply(fixture, reply);
}

static void shake_hands_without_role(struct fixture *fixture, const char *error)
{
    accept_link(fixture);
    expect_handshake(fixture);
    send_reply(fixture, "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT);
    send_reply(fixture, error);
    assert_state(fixture, "handshake");
    expect_command(fixture, "INFO replication");
    expect_no_command(fixture);
}

static void test_the_role_without_the_command(void **state)
{
    static const char *const errors[] = {NO_ROLE, "-NOPERM no ROLE\r\n", "-ERR not supported\r\n",
                                         "-BLOCKED\r\n"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        create_link(fixture);
        shake_hands_without_role(fixture, errors[i]);
        send_info(fixture, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
        assert_state(fixture, "ready");
        assert_string_equal(health_of(fixture).role, "master");
        advance(fixture, HEARTBEAT_MS + 10);
        expect_command(fixture, "INFO replication");
        expect_no_command(fixture);
        send_info(fixture, "# Replication\r\nrole:slave\r\n");
        assert_down(fixture, "replica");
        shake_hands_without_role(fixture, errors[i]);
        send_info(fixture, "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n");
        assert_down(fixture, "replica");
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        fixture->changes = 0;
    }
}

static void test_a_server_that_does_not_tell_its_role(void **state)
{
    static const char *const replies[] = {
        "-NOPERM no INFO\r\n", "+OK\r\n", "$-1\r\n", ":1\r\n", "*0\r\n", "$12\r\nxrole:master\r\n"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        create_link(fixture);
        shake_hands_without_role(fixture, NO_ROLE);
        send_reply(fixture, replies[i]);
        assert_state(fixture, "ready");
        assert_string_equal(health_of(fixture).role, "");
        assert_true(health_of(fixture).replicated_before_ms == UINT64_MAX);
        advance(fixture, HEARTBEAT_MS + 10);
        expect_command(fixture, "PING"); /* only tests whether the server answers */
        send_reply(fixture, "-NOPERM no PING\r\n");
        assert_state(fixture, "ready");
        redis_link_destroy(fixture->link);
        fixture->link = NULL;
        fixture->changes = 0;
        fixture->is_ready = false;
    }
}

/* --- replicas --- */

#define REPLICA(offset)                                                                        \
    "*3\r\n$6\r\nmaster\r\n:2000\r\n*1\r\n*3\r\n$8\r\n10.0.0.3\r\n$4\r\n6379\r\n$4\r\n" offset \
    "\r\n"

static void send_role(struct fixture *fixture, const char *reply)
{
    advance(fixture, HEARTBEAT_MS + 10);
    expect_command(fixture, "ROLE");
    send_reply(fixture, reply);
}

static void test_what_replicas_have(void **state)
{
    struct fixture *fixture = *state;
    uint64_t asked_ms;

    make_ready(fixture);
    assert_true(health_of(fixture).replicated_before_ms == UINT64_MAX);
    assert_int_equal(health_of(fixture).replica_count, 0);
    send_role(fixture, REPLICA("1500")); /* it has all data of the handshake's time: none */
    assert_in_range(health_of(fixture).replicated_before_ms, START_MS, START_MS + 20);
    assert_int_equal(health_of(fixture).replica_count, 1);
    assert_string_equal(health_of(fixture).replicas[0].address, "10.0.0.3:6379");
    assert_int_equal(health_of(fixture).replicas[0].lag_bytes, 500);
    advance(fixture, HEARTBEAT_MS + 10);
    asked_ms = loop_now_ms(fixture->loop);
    expect_command(fixture, "ROLE");
    advance(fixture, 700); /* the answer takes some time; the time of the question counts */
    send_reply(fixture, REPLICA("2000"));
    assert_in_range(health_of(fixture).replicated_before_ms, asked_ms - 15, asked_ms);
    /* The connection is lost. Offsets may have restarted, but proven times stay proven. */
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    shake_hands(fixture);
    assert_in_range(health_of(fixture).replicated_before_ms, asked_ms - 15, asked_ms);
}

/* --- connections that are idle --- */

static void close_idle(struct fixture *fixture, uint64_t ms)
{
    advance(fixture, ms);
    expect_no_command(fixture);
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    assert_down(fixture, "closed by server");
    shake_hands(fixture);
}

static void test_a_server_that_closes_idle_connections_is_kept_busy(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    make_ready(fixture);
    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    close_idle(fixture, 3000);
    close_idle(fixture, 3900);
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "closed after about 3 s"), 1);
    assert_int_equal(count_in_text(log, "timeout"), 2);
    log_capture_begin();
    for (int i = 0; i < 30; i++) {
        const char *command;

        advance(fixture, 1010);
        command = fake_redis_command(&fixture->redis);
        assert_non_null(command);
        send_reply(fixture, strcmp(command, "ROLE") == 0 ? FAKE_REDIS_MASTER : "+PONG\r\n");
    }
    assert_string_equal(log_capture_end(), "");
    assert_state(fixture, "ready");
}

/* a server that restarts now and then does not close idle connections */
static void test_connections_that_end_at_various_times(void **state)
{
    static const uint64_t idle_ms[] = {3000, 9000, 500, 3000, 500, 500, 14000};
    struct fixture *fixture = *state;

    make_ready(fixture);
    for (size_t i = 0; i < sizeof(idle_ms) / sizeof(idle_ms[0]); i++) {
        close_idle(fixture, idle_ms[i]);
    }
    advance(fixture, HEARTBEAT_MS - 10);
    expect_no_command(fixture);
}

static void test_a_known_timeout_is_met(void **state)
{
    struct fixture *fixture = *state;

    make_ready(fixture);
    redis_link_keep_alive(fixture->link, 60000); /* the heartbeat's interval is shorter */
    advance(fixture, HEARTBEAT_MS - 10);
    expect_no_command(fixture);
    advance(fixture, 20);
    expect_command(fixture, "ROLE");
    send_reply(fixture, FAKE_REDIS_MASTER);
    redis_link_keep_alive(fixture->link, 3000);
    advance(fixture, 1010);
    expect_command(fixture, "PING");
    send_reply(fixture, "+PONG\r\n");
    send_command(fixture, "BUSY"); /* any command keeps it alive */
    turn(fixture);
    expect_command(fixture, "BUSY");
    send_reply(fixture, ":1\r\n");
    advance(fixture, 900);
    send_command(fixture, "BUSY");
    turn(fixture);
    expect_command(fixture, "BUSY");
    send_reply(fixture, ":1\r\n");
    advance(fixture, 900);
    expect_no_command(fixture);
}

/* --- credentials --- */

static void test_other_credentials(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.password = "old";
    create_link(fixture);
    accept_link(fixture);
    expect_command(fixture, "AUTH old");
    send_reply(fixture, "+OK\r\n+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER);
    assert_state(fixture, "ready");
    expect_handshake(fixture);
    /* on the present connection, which stays as it was if the server refuses them */
    redis_link_set_credentials(fixture->link, "user", "wrong");
    turn(fixture);
    expect_command(fixture, "AUTH user wrong");
    send_reply(fixture, "-WRONGPASS invalid username-password pair\r\n");
    assert_state(fixture, "ready");
    redis_link_set_credentials(fixture->link, "user", "new");
    turn(fixture);
    expect_command(fixture, "AUTH user new");
    send_reply(fixture, "+OK\r\n");
    assert_state(fixture, "ready");
    /* and on the next connection */
    fake_redis_hang_up(&fixture->redis);
    turn(fixture);
    accept_link(fixture);
    expect_command(fixture, "AUTH user new");
    send_reply(fixture, "-WRONGPASS no\r\n");
    assert_down(fixture, "AUTH: WRONGPASS");
    /* a link that is down tries at once */
    for (int i = 0; i < 12; i++) {
        accept_link(fixture);
        fake_redis_hang_up(&fixture->redis);
        turn(fixture);
    }
    redis_link_set_credentials(fixture->link, "", "newest");
    advance(fixture, 5);
    accept_link(fixture);
    expect_command(fixture, "AUTH newest");
    redis_link_set_credentials(fixture->link, "", "");
    send_reply(fixture, "+OK\r\n+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER);
    assert_state(fixture, "ready");
    expect_handshake(fixture);
    redis_link_set_credentials(fixture->link, "", "");
    turn(fixture);
    expect_no_command(fixture);
}

/* --- names with several addresses --- */

#define ADDRESSES 3

/* servers at 127.0.0.2, .3 and .4 on one port, and a link to their name */
struct several {
    struct fake_redis servers[ADDRESSES];
    int attempts[ADDRESSES];
    int last; /* index of the server of the last attempt */
};

static void open_several(struct fixture *fixture, struct several *several)
{
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    unsigned port = 0;

    memset(several, 0, sizeof(*several));
    for (int i = 0; i < ADDRESSES; i++) {
        fake_redis_open_port(&several->servers[i], hosts[i], port);
        port = several->servers[i].address.port;
    }
    fake_resolver_answer("several.test", (const char *const[]){hosts[0], hosts[1], hosts[2], NULL});
    fixture->options.address = (struct address){.port = (uint16_t)port};
    strcpy(fixture->options.address.host, "several.test");
    fixture->link = redis_link_create(fixture->loop, &fixture->options);
}

static void close_several(struct fixture *fixture, struct several *several)
{
    redis_link_destroy(fixture->link);
    fixture->link = NULL;
    for (int i = 0; i < ADDRESSES; i++) {
        fake_redis_close(&several->servers[i]);
    }
}

/* returns the server of the next attempt; threads do the look-ups */
static int next_attempt(struct fixture *fixture, struct several *several)
{
    for (;;) {
        fake_resolver_wait();
        advance(fixture, 5);
        for (int i = 0; i < ADDRESSES; i++) {
            if (fake_redis_accept(&several->servers[i])) {
                several->attempts[i]++;
                while (strcmp(health_of(fixture).state, "handshake") != 0) {
                    loop_turn(fixture->loop, 1);
                }
                return i;
            }
        }
    }
}

static void answer_several(struct fixture *fixture, struct several *several, int i,
                           const char *reply)
{
    fake_redis_send(&several->servers[i], reply);
    turn(fixture);
}

#define WHOLE_HANDSHAKE "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT FAKE_REDIS_MASTER
#define OF_A_REPLICA    "+OK\r\n" FAKE_REDIS_INFO FAKE_REDIS_SCRIPT "*1\r\n$5\r\nslave\r\n"

static void test_the_next_address_after_each_failure(void **state)
{
    static const char *const replies[] = {OF_A_REPLICA, "rubbish\r\n",
                                          "+OK\r\n+OK\r\n-LOADING\r\n"};
    struct fixture *fixture = *state;
    struct several several;
    char peer[64];

    open_several(fixture, &several);
    for (int i = 0; i < 3 * ADDRESSES; i++) {
        int server = next_attempt(fixture, &several);

        assert_int_equal(server, i % ADDRESSES);
        snprintf(peer, sizeof(peer), "127.0.0.%d:%u", server + 2, fixture->options.address.port);
        assert_string_equal(health_of(fixture).peer, peer);
        if (i < ADDRESSES) {
            answer_several(fixture, &several, server, replies[i % 3]);
        } else if (i < 2 * ADDRESSES) {
            fake_redis_hang_up(&several.servers[server]);
            turn(fixture);
        } else {
            advance(fixture, CONNECT_TIMEOUT_MS + 20); /* hangs */
        }
        assert_false(fixture->is_ready);
    }
    assert_int_equal(next_attempt(fixture, &several), 0);
    answer_several(fixture, &several, 0, OF_A_REPLICA);
    assert_int_equal(next_attempt(fixture, &several), 1);
    answer_several(fixture, &several, 1, WHOLE_HANDSHAKE);
    assert_state(fixture, "ready");
    /* a connection that was ready and is lost leads to a new look-up, from the first address on */
    fake_redis_hang_up(&several.servers[1]);
    turn(fixture);
    assert_int_equal(next_attempt(fixture, &several), 0);
    close_several(fixture, &several);
}

/*
 * after an address that refuses, the link tries the next one at once, which counts as the attempt
 */
static void test_an_address_that_refuses_among_others(void **state)
{
    struct fixture *fixture = *state;
    struct several several;

    open_several(fixture, &several);
    fake_redis_stop_listening(&several.servers[1]);
    several.servers[1].listener = fixture->redis.listener; /* no client connects there */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(next_attempt(fixture, &several), 0);
        answer_several(fixture, &several, 0, OF_A_REPLICA);
        assert_int_equal(next_attempt(fixture, &several), 2);
        assert_int_equal(health_of(fixture).peer[8], '4');
        answer_several(fixture, &several, 2, OF_A_REPLICA);
    }
    several.servers[1].listener = -1;
    close_several(fixture, &several);
}

/* each address has its own reason, which is logged once a minute with the address */
static void test_the_log_names_the_address(void **state)
{
    struct fixture *fixture = *state;
    struct several several;
    char line[128];
    const char *log;

    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    open_several(fixture, &several);
    for (int i = 0; i < 4 * ADDRESSES; i++) {
        int server = next_attempt(fixture, &several);

        answer_several(fixture, &several, server, server == 1 ? "rubbish\r\n" : OF_A_REPLICA);
    }
    assert_int_equal(next_attempt(fixture, &several), 0);
    answer_several(fixture, &several, 0, WHOLE_HANDSHAKE);
    log = log_capture_end();
    assert_int_equal(count_in_text(log, "takes no writes (127.0.0.2:"), 1);
    assert_int_equal(count_in_text(log, "rotocol error"), 1);
    assert_int_equal(count_in_text(log, "takes no writes (127.0.0.4:"), 1);
    snprintf(line, sizeof(line), "version 7.0.15 (127.0.0.2:%u)", fixture->options.address.port);
    assert_int_equal(count_in_text(log, line), 1);
    close_several(fixture, &several);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_role_without_the_command),
        TEST(test_a_server_that_does_not_tell_its_role),
        TEST(test_what_replicas_have),
        TEST(test_a_server_that_closes_idle_connections_is_kept_busy),
        TEST(test_connections_that_end_at_various_times),
        TEST(test_a_known_timeout_is_met),
        TEST(test_other_credentials),
        TEST(test_the_next_address_after_each_failure),
        TEST(test_an_address_that_refuses_among_others),
        TEST(test_the_log_names_the_address),
    };

    return cmocka_run_group_tests_name("redis_link_servers", tests, NULL, NULL);
}
