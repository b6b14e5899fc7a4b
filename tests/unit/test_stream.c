/* SPDX-License-Identifier: MIT */
/*
 * Threads look up names, and bytes pass through ports, so the time is real. The tests wait for
 * events. A wait fails after PATIENCE_MS.
 */
#include "store/redis/stream.h"

#include "base/clock.h"
#include "support/fake_clock.h"
#include "support/fake_redis.h"
#include "support/fake_resolver.h"

#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* longer than any step here takes, also under valgrind */
#define PATIENCE_MS 60000

#define RECEIVED_MAX 65536

enum event { RESOLVED = 1, OPEN = 2, BYTES = 4, FAILED = 8 };

struct fixture {
    struct loop *loop;
    struct fake_redis server;
    struct stream_target target;
    struct stream *stream;
    enum event close_on; /* closes the stream inside these callbacks */
    unsigned resolved;   /* how often each callback ran */
    unsigned opened;
    unsigned failed;
    char received[RECEIVED_MAX];
    size_t length;
    char reason[256];
};

/*
 * A loop with a cancelled look-up is never freed. This array keeps it reachable, so that leak
 * checkers do not report it.
 */
static struct loop *volatile loops[64];
static size_t loop_count;

/* --- callbacks --- */

static void note(struct fixture *fixture, enum event event)
{
    if (fixture->close_on == event) {
        stream_close(fixture->stream);
        fixture->stream = NULL;
    }
}

static void on_resolved(void *data)
{
    struct fixture *fixture = data;

    assert_int_equal(fixture->opened + fixture->failed, 0);
    fixture->resolved++;
    note(fixture, RESOLVED);
}

static void on_open(void *data)
{
    struct fixture *fixture = data;

    assert_int_equal(fixture->failed, 0);
    fixture->opened++;
    note(fixture, OPEN);
}

static void on_bytes(void *data, const char *bytes, size_t length)
{
    struct fixture *fixture = data;

    assert_int_equal(fixture->opened, 1);
    assert_int_equal(fixture->failed, 0);
    assert_true(fixture->length + length <= RECEIVED_MAX);
    memcpy(fixture->received + fixture->length, bytes, length);
    fixture->length += length;
    note(fixture, BYTES);
}

static void on_failed(void *data, const char *reason)
{
    struct fixture *fixture = data;

    fixture->failed++;
    snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
    note(fixture, FAILED);
}

static const struct stream_callbacks callbacks = {on_resolved, on_open, on_bytes, on_failed};

/* --- steps --- */

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN);
    fixture->loop = loop_create();
    loops[loop_count++ % 64] = fixture->loop;
    fake_redis_open_port(&fixture->server, "127.0.0.1", 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    stream_close(fixture->stream);
    fake_resolver_forget();
    fake_redis_close(&fixture->server);
    loop_destroy(fixture->loop);
    free(fixture);
    return 0;
}

static void open_address(struct fixture *fixture, const struct address *address)
{
    fixture->resolved = fixture->opened = fixture->failed = 0;
    fixture->length = 0;
    fixture->target.address = *address;
    fixture->stream = stream_open(fixture->loop, &fixture->target, &callbacks, fixture);
    assert_int_equal(fixture->resolved + fixture->opened + fixture->failed, 0);
}

/* opens a stream to the server's port, by a name or an address of this machine */
static void open_host(struct fixture *fixture, const char *host)
{
    struct address address = {.port = fixture->server.address.port};

    strcpy(address.host, host);
    open_address(fixture, &address);
}

/* turns the loop until `condition` holds */
#define wait_for(fixture, condition)                          \
    do {                                                      \
        uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS; \
        while (!(condition)) {                                \
            assert_true(clock_monotonic_ms() < end_ms);       \
            loop_turn((fixture)->loop, 1);                    \
        }                                                     \
    } while (0)

static void settle(struct fixture *fixture)
{
    loop_turn(fixture->loop, 8);
}

/* both ends are connected, and bytes pass in both directions */
static void assert_connected(struct fixture *fixture)
{
    char bytes[8] = "";
    size_t length = 0;

    wait_for(fixture, fixture->opened == 1);
    wait_for(fixture, fake_redis_accept(&fixture->server));
    stream_write(fixture->stream, "hello", 5);
    wait_for(fixture,
             (length += fake_redis_read(&fixture->server, bytes + length, 5 - length)) == 5);
    assert_string_equal(bytes, "hello");
    fake_redis_send(&fixture->server, "world");
    wait_for(fixture, fixture->length == 5);
    assert_memory_equal(fixture->received, "world", 5);
    assert_int_equal(fixture->failed, 0);
}

static void close_stream(struct fixture *fixture)
{
    stream_close(fixture->stream);
    fixture->stream = NULL;
    settle(fixture);
}

/* --- addresses --- */

static void test_a_number_needs_no_look_up(void **state)
{
    struct fixture *fixture = *state;

    open_host(fixture, "127.0.0.1");
    assert_false(stream_is_resolving(fixture->stream));
    assert_connected(fixture);
    assert_int_equal(fixture->resolved, 0);
}

static void test_a_path_needs_no_look_up(void **state)
{
    struct fixture *fixture = *state;

    fake_redis_close(&fixture->server);
    fake_redis_open(&fixture->server);
    open_address(fixture, &fixture->server.address);
    assert_false(stream_is_resolving(fixture->stream));
    assert_connected(fixture);
    assert_int_equal(fixture->resolved, 0);
}

static void test_an_ipv6_number_needs_no_look_up(void **state)
{
    struct fixture *fixture = *state;

    /* refused, or no IPv6 at all; there is no look-up in any case */
    open_host(fixture, "::1");
    assert_false(stream_is_resolving(fixture->stream));
    wait_for(fixture, fixture->failed == 1);
    assert_memory_equal(fixture->reason, "connect: ", 9);
}

static void test_localhost_is_looked_up(void **state)
{
    struct fixture *fixture = *state;

    open_host(fixture, "localhost"); /* by the real resolver */
    assert_true(stream_is_resolving(fixture->stream));
    assert_connected(fixture);
    assert_false(stream_is_resolving(fixture->stream));
    assert_int_equal(fixture->resolved, 1);
}

static void test_the_next_address_is_tried(void **state)
{
    /* the server is at 127.0.0.1; connections to 224.0.0.1 fail at once, to the others later */
    static const char *const rows[][10] = {
        {"127.0.0.1", "127.0.0.2", NULL},
        {"127.0.0.2", "127.0.0.1", NULL},
        {"224.0.0.1", "127.0.0.1", NULL},
        {"127.0.0.2", "224.0.0.1", "127.0.0.3", "224.0.0.1", "127.0.0.1", NULL},
        {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8",
         "127.0.0.1", "127.0.0.9", NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_resolver_answer("several.test", rows[i]);
        open_host(fixture, "several.test");
        assert_connected(fixture);
        assert_int_equal(fixture->resolved, 1);
        close_stream(fixture);
        wait_for(fixture, fake_redis_was_left(&fixture->server));
    }
}

static void test_no_address_answers(void **state)
{
    static const char *const rows[][10] = {
        {"127.0.0.2", NULL},
        {"127.0.0.2", "127.0.0.3", "127.0.0.4", NULL},
        {"224.0.0.1", "127.0.0.2", NULL},
        /* only eight addresses are tried, and this is the ninth */
        {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8",
         "127.0.0.9", "127.0.0.1", NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_resolver_answer("several.test", rows[i]);
        open_host(fixture, "several.test");
        wait_for(fixture, fixture->failed == 1);
        assert_string_equal(fixture->reason, "connect: Connection refused");
        settle(fixture);
        assert_int_equal(fixture->failed, 1);
        assert_int_equal(fixture->opened, 0);
        close_stream(fixture);
    }
    assert_false(fake_redis_accept(&fixture->server));
}

static void test_a_connect_that_fails_at_once(void **state)
{
    static const struct {
        const char *host;
        const char *path;
        const char *reason;
    } rows[] = {
        {"", "/nonexistent/socket", "connect: No such file or directory"},
        {"", "/etc/passwd", "connect: Connection refused"},
        {"224.0.0.1", "", "connect: Network is unreachable"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address = {.is_unix = *rows[i].path != '\0', .port = 1};

        strcpy(address.host, rows[i].host);
        strcpy(address.path, rows[i].path);
        open_address(fixture, &address);
        assert_false(stream_is_resolving(fixture->stream));
        wait_for(fixture, fixture->failed == 1);
        if (*rows[i].path != '\0') {
            assert_string_equal(fixture->reason, rows[i].reason);
        } else {
            assert_memory_equal(fixture->reason, "connect: ", 9); /* the routes decide */
        }
        close_stream(fixture);
    }
}

static void test_a_name_that_cannot_be_looked_up(void **state)
{
    static const struct {
        int error;
        const char *reason;
    } rows[] = {
        {EAI_NONAME, "resolve: Name or service not known"},
        {EAI_AGAIN, "resolve: Temporary failure in name resolution"},
        {EAI_FAIL, "resolve: Non-recoverable failure in name resolution"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_resolver_fail("nobody.test", rows[i].error);
        open_host(fixture, "nobody.test");
        assert_true(stream_is_resolving(fixture->stream));
        wait_for(fixture, fixture->failed == 1);
        assert_string_equal(fixture->reason, rows[i].reason);
        assert_int_equal(fixture->resolved, 0);
        assert_false(stream_is_resolving(fixture->stream));
        close_stream(fixture);
    }
}

/*
 * Guards: a name server that does not answer must block neither the loop nor other look-ups, even
 * after many look-ups that were cancelled.
 */
static void test_look_ups_that_hang(void **state)
{
    enum { GIVEN_UP = 20 };
    struct fixture *fixture = *state;
    struct stream *hanging;

    fake_resolver_hang("slow.test");
    for (unsigned i = 1; i <= GIVEN_UP; i++) {
        open_host(fixture, "slow.test");
        fake_resolver_wait_for_hang(
            i); /* libh2o starts another thread only when this one is busy */
        stream_close(fixture->stream);
    }
    open_host(fixture, "slow.test");
    hanging = fixture->stream;
    fake_resolver_wait_for_hang(GIVEN_UP + 1);
    open_host(fixture, "localhost");
    assert_connected(fixture);
    assert_true(stream_is_resolving(hanging));
    stream_close(hanging);
    fake_resolver_forget();
    fake_resolver_wait();
    settle(fixture);
    assert_int_equal(fixture->failed, 0);
}

/* --- bytes --- */

/* the last bytes arrive although the server closes after them, also if they are many */
static void test_bytes_before_the_end(void **state)
{
    static const size_t lengths[] = {1, 4095, 4096, 4097, 8192, 12288, 16384, 65536};
    struct fixture *fixture = *state;
    char *bytes = malloc(RECEIVED_MAX);

    for (size_t i = 0; i < RECEIVED_MAX; i++) {
        bytes[i] = (char)(i * 7 / 3);
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        open_host(fixture, "127.0.0.1");
        wait_for(fixture, fake_redis_accept(&fixture->server));
        wait_for(fixture, fixture->opened == 1);
        fake_redis_write(&fixture->server, bytes, lengths[i]);
        fake_redis_hang_up(&fixture->server);
        wait_for(fixture, fixture->failed == 1);
        assert_int_equal(fixture->length, lengths[i]);
        assert_memory_equal(fixture->received, bytes, lengths[i]);
        assert_string_equal(fixture->reason, "read: connection closed by server");
        close_stream(fixture);
    }
    free(bytes);
}

static void test_a_reset_is_a_failure(void **state)
{
    struct fixture *fixture = *state;

    open_host(fixture, "127.0.0.1");
    assert_connected(fixture);
    fake_redis_reset(&fixture->server);
    wait_for(fixture, fixture->failed == 1);
    assert_memory_equal(fixture->reason, "read: ", 6);
    settle(fixture);
    assert_int_equal(fixture->failed, 1);
}

/* writes in pieces, with more bytes than the socket takes at once */
static void test_writes_keep_their_order(void **state)
{
    enum { PIECES = 2000, PIECE = 5000 };
    struct fixture *fixture = *state;
    char piece[PIECE];
    char *bytes = malloc(PIECE);
    size_t received = 0;

    assert_non_null(bytes);
    open_host(fixture, "127.0.0.1");
    assert_connected(fixture);
    for (int i = 0; i < PIECES; i++) {
        memset(piece, i % 251, PIECE);
        stream_write(fixture->stream, piece, PIECE);
        if (i % 100 == 0) {
            settle(fixture);
        }
    }
    memset(piece, 0xff, PIECE); /* the stream has copies */
    while (received < (size_t)PIECES * PIECE) {
        size_t got = 0;

        wait_for(fixture, (got = fake_redis_read(&fixture->server, bytes, PIECE)) != 0);
        for (size_t i = 0; i < got; i++) {
            assert_int_equal((unsigned char)bytes[i], (received + i) / PIECE % 251);
        }
        received += got;
    }
    settle(fixture);
    assert_int_equal(fake_redis_read(&fixture->server, bytes, PIECE), 0);
    assert_int_equal(fixture->failed, 0);
    free(bytes);
}

/* the server stops reading and then leaves: one failure, whichever call notices first */
static void test_the_server_leaves_in_the_middle_of_a_write(void **state)
{
    enum { LONG = 16 * 1024 * 1024 };
    struct fixture *fixture = *state;
    char *bytes = calloc(1, LONG);

    assert_non_null(bytes);
    open_host(fixture, "127.0.0.1");
    assert_connected(fixture);
    stream_write(fixture->stream, bytes, LONG);
    stream_write(fixture->stream, bytes, LONG);
    settle(fixture);
    fake_redis_reset(&fixture->server);
    wait_for(fixture, fixture->failed == 1);
    stream_write(fixture->stream, bytes, 1); /* harmless */
    settle(fixture);
    assert_int_equal(fixture->failed, 1);
    free(bytes);
}

/* --- closing --- */

static void test_close_in_every_state(void **state)
{
    struct fixture *fixture = *state;

    fake_resolver_hang("slow.test");
    open_host(fixture, "slow.test"); /* looked up */
    close_stream(fixture);
    fake_resolver_forget();
    fake_resolver_wait();
    settle(fixture);
    open_host(fixture, "127.0.0.1"); /* connecting */
    close_stream(fixture);
    open_host(fixture, "127.0.0.2"); /* refused, but not reported yet */
    close_stream(fixture);
    open_address(fixture, &(struct address){.is_unix = true, .path = "/nonexistent"}); /* known */
    close_stream(fixture);
    assert_int_equal(fixture->resolved + fixture->opened + fixture->failed, 0);
    fake_redis_accept(&fixture->server); /* the one that was connecting */
    open_host(fixture, "127.0.0.1");
    assert_connected(fixture);
    stream_write(fixture->stream, "bye", 3);
    close_stream(fixture);
    wait_for(fixture, fake_redis_was_left(&fixture->server));
    assert_int_equal(fixture->failed, 0);
    stream_close(NULL);
}

static void test_close_from_inside_a_callback(void **state)
{
    static const char *const refused[] = {"127.0.0.2", NULL};
    struct fixture *fixture = *state;

    fixture->close_on = RESOLVED;
    open_host(fixture, "localhost");
    wait_for(fixture, fixture->stream == NULL);
    settle(fixture);
    assert_int_equal(fixture->opened + fixture->failed, 0);

    fixture->close_on = OPEN;
    open_host(fixture, "127.0.0.1");
    wait_for(fixture, fixture->stream == NULL);
    settle(fixture);
    wait_for(fixture, fake_redis_accept(&fixture->server));
    wait_for(fixture, fake_redis_was_left(&fixture->server));

    fixture->close_on = BYTES;
    open_host(fixture, "127.0.0.1");
    wait_for(fixture, fake_redis_accept(&fixture->server));
    fake_redis_send(&fixture->server, "some");
    wait_for(fixture, fixture->stream == NULL);
    settle(fixture);
    assert_int_equal(fixture->length, 4);
    wait_for(fixture, fake_redis_was_left(&fixture->server));

    fixture->close_on = FAILED;
    fake_resolver_answer("refused.test", refused);
    open_host(fixture, "refused.test");
    wait_for(fixture, fixture->stream == NULL);
    settle(fixture);
    assert_int_equal(fixture->failed, 1);
}

/* --- TLS --- */

static void test_certificates_that_cannot_be_read(void **state)
{
    const char *reason = NULL;

    (void)state;
    assert_null(stream_tls_create("/nonexistent/ca.pem", "localhost", &reason));
    assert_non_null(reason);
    reason = NULL;
    assert_null(stream_tls_create("/etc/passwd", "localhost", &reason));
    assert_non_null(reason);
}

/* A server without TLS sends an error or hangs up. In both cases it is not trusted. */
static void test_a_server_without_tls(void **state)
{
    static const char *const answers[] = {"-ERR Protocol error\r\n", "HTTP/1.1 400\r\n\r\n", ""};
    struct fixture *fixture = *state;
    const char *reason;
    struct ssl_ctx_st *tls = stream_tls_create("", "localhost", &reason);

    assert_non_null(tls);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fixture->failed = 0;
        fixture->target = (struct stream_target){.address = fixture->server.address, .tls = tls};
        fixture->stream = stream_open(fixture->loop, &fixture->target, &callbacks, fixture);
        wait_for(fixture, fake_redis_accept(&fixture->server));
        settle(fixture);
        fake_redis_send(&fixture->server, answers[i]);
        if (*answers[i] == '\0') {
            fake_redis_hang_up(&fixture->server);
        }
        wait_for(fixture, fixture->failed == 1);
        assert_memory_equal(fixture->reason, "TLS: ", 5);
        assert_int_equal(fixture->opened, 0);
        close_stream(fixture);
    }
    stream_tls_destroy(tls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_number_needs_no_look_up),
        TEST(test_a_path_needs_no_look_up),
        TEST(test_an_ipv6_number_needs_no_look_up),
        TEST(test_localhost_is_looked_up),
        TEST(test_the_next_address_is_tried),
        TEST(test_no_address_answers),
        TEST(test_a_connect_that_fails_at_once),
        TEST(test_a_name_that_cannot_be_looked_up),
        TEST(test_look_ups_that_hang),
        TEST(test_bytes_before_the_end),
        TEST(test_a_reset_is_a_failure),
        TEST(test_writes_keep_their_order),
        TEST(test_the_server_leaves_in_the_middle_of_a_write),
        TEST(test_close_in_every_state),
        TEST(test_close_from_inside_a_callback),
        cmocka_unit_test(test_certificates_that_cannot_be_read),
        TEST(test_a_server_without_tls),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
