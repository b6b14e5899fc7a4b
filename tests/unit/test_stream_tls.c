/* SPDX-License-Identifier: MIT */
/* A stream with TLS: which servers it trusts. The server is OpenSSL's, in a thread of its own. */
#include "store/redis/stream.h"

#include "base/clock.h"
#include "support/fake_clock.h"
#include "support/fake_resolver.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
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

#define NAME "redis.test"

struct fixture {
    struct loop *loop;
    struct stream_target target;
    struct stream *stream;
    unsigned opened;
    unsigned failed;
    char received[64];
    size_t length;
    char reason[256];

    EVP_PKEY *key;
    X509 *certificate;
    char ca_file[64];
    SSL_CTX *server;
    int listener;
    unsigned port;
    pthread_t thread;
};

/* --- the server --- */

/* self-signed, so that it is its own authority */
static X509 *create_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    char alternative[128];
    X509_EXTENSION *extension;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    snprintf(alternative, sizeof(alternative), "DNS:%s,IP:127.0.0.1", name);
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

static void write_certificate(const X509 *certificate, char path[64])
{
    FILE *file;
    int fd;

    strcpy(path, "/tmp/visitcountd-test-XXXXXX");
    fd = mkstemp(path);
    file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

static void listen_on_port(struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fixture->listener, 4), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&address, &length), 0);
    fixture->port = ntohs(address.sin_port);
}

/* serves one connection as an echo server */
static void *serve(void *data)
{
    struct fixture *fixture = data;
    int fd = accept(fixture->listener, NULL, NULL);
    SSL *ssl = SSL_new(fixture->server);
    char bytes[64];
    int got;

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        while ((got = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
            SSL_write(ssl, bytes, got);
        }
    }
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void start_server(struct fixture *fixture)
{
    assert_int_equal(pthread_create(&fixture->thread, NULL, serve, fixture), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN);
    fixture->loop = loop_create();
    fixture->key = EVP_EC_gen("P-256");
    fixture->certificate = create_certificate(fixture->key, NAME);
    write_certificate(fixture->certificate, fixture->ca_file);
    fixture->server = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(fixture->server, fixture->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(fixture->server, fixture->key), 1);
    listen_on_port(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    stream_close(fixture->stream);
    loop_turn(fixture->loop, 8); /* libh2o closes in its turn */
    pthread_join(fixture->thread, NULL);
    fake_resolver_forget();
    close(fixture->listener);
    unlink(fixture->ca_file);
    SSL_CTX_free(fixture->server);
    X509_free(fixture->certificate);
    EVP_PKEY_free(fixture->key);
    loop_destroy(fixture->loop);
    free(fixture);
    return 0;
}

/* --- the stream --- */

static void on_resolved(void *data)
{
    (void)data;
}

static void on_open(void *data)
{
    ((struct fixture *)data)->opened++;
}

static void on_bytes(void *data, const char *bytes, size_t length)
{
    struct fixture *fixture = data;

    assert_true(fixture->length + length <= sizeof(fixture->received));
    memcpy(fixture->received + fixture->length, bytes, length);
    fixture->length += length;
}

static void on_failed(void *data, const char *reason)
{
    struct fixture *fixture = data;

    fixture->failed++;
    snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
}

static const struct stream_callbacks callbacks = {on_resolved, on_open, on_bytes, on_failed};

#define wait_for(fixture, condition)                          \
    do {                                                      \
        uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS; \
        while (!(condition)) {                                \
            assert_true(clock_monotonic_ms() < end_ms);       \
            loop_turn((fixture)->loop, 1);                    \
        }                                                     \
    } while (0)

/* connects to the server as `host`; for 127.0.0.2, where it does not listen, to 127.0.0.1 */
static void connect_as(struct fixture *fixture, const char *host, struct ssl_ctx_st *tls)
{
    struct stream_target *target = &fixture->target;

    assert_non_null(tls);
    *target = (struct stream_target){.address.port = (uint16_t)fixture->port, .tls = tls};
    strcpy(target->address.host, strcmp(host, "127.0.0.2") == 0 ? "127.0.0.1" : host);
    fixture->stream = stream_open(fixture->loop, target, &callbacks, fixture);
    wait_for(fixture, fixture->opened + fixture->failed != 0);
}

/* --- tests --- */

/*
 * Guards the check of the name. libh2o 2.2 does it with TLS 1.2 only, and never if the host is an
 * address.
 */
static void test_which_servers_are_trusted(void **state)
{
    static const struct {
        const char *host;
        bool is_known;      /* its certificate is in the file of authorities */
        int version;        /* the newest version that the server supports */
        const char *reason; /* NULL: it is trusted */
    } rows[] = {
        {NAME, true, TLS1_3_VERSION, NULL},
        {NAME, true, TLS1_2_VERSION, NULL},
        {"127.0.0.1", true, TLS1_3_VERSION, NULL},
        {"127.0.0.1", true, TLS1_2_VERSION, "TLS: "},
        {"other.test", true, TLS1_3_VERSION, "TLS: "},
        {"other.test", true, TLS1_2_VERSION, "TLS: "},
        {"127.0.0.2", true, TLS1_3_VERSION, "TLS: "},
        {"127.0.0.2", true, TLS1_2_VERSION, "TLS: "},
        {NAME, false, TLS1_3_VERSION, "TLS: "},
        {NAME, false, TLS1_2_VERSION, "TLS: "},
        {NAME, true, TLS1_1_VERSION, "TLS: "},
    };
    static const char *const addresses[] = {"127.0.0.1", NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *fixture;
        void *own;
        const char *reason = NULL;
        struct ssl_ctx_st *tls;

        setup(&own);
        fixture = own;
        SSL_CTX_set_min_proto_version(fixture->server, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(fixture->server, rows[i].version);
        start_server(fixture);
        fake_resolver_answer(rows[i].host, addresses);
        tls = stream_tls_create(rows[i].is_known ? fixture->ca_file : "", rows[i].host, &reason);
        connect_as(fixture, rows[i].host, tls);
        if (rows[i].reason == NULL) {
            assert_string_equal(fixture->reason, "");
            stream_write(fixture->stream, "hello", 5);
            wait_for(fixture, fixture->length == 5);
            assert_memory_equal(fixture->received, "hello", 5);
            assert_int_equal(fixture->failed, 0);
        } else {
            assert_int_equal(fixture->opened, 0);
            assert_memory_equal(fixture->reason, rows[i].reason, strlen(rows[i].reason));
        }
        teardown(&own);
        stream_tls_destroy(tls);
    }
}

static void test_close_during_the_handshake(void **state)
{
    struct fixture *fixture = *state;
    const char *reason = NULL;
    struct ssl_ctx_st *tls = stream_tls_create(fixture->ca_file, "127.0.0.1", &reason);

    fixture->target = (struct stream_target){
        .address = {.host = "127.0.0.1", .port = (uint16_t)fixture->port}, .tls = tls};
    fixture->stream = stream_open(fixture->loop, &fixture->target, &callbacks, fixture);
    loop_turn(fixture->loop, 8); /* the kernel has connected, and the first bytes are sent */
    stream_close(fixture->stream);
    fixture->stream = NULL;
    start_server(fixture);
    loop_turn(fixture->loop, 8);
    assert_int_equal(fixture->opened + fixture->failed, 0);
    stream_tls_destroy(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_servers_are_trusted),
        cmocka_unit_test_setup_teardown(test_close_during_the_handshake, setup, teardown),
    };

    return cmocka_run_group_tests_name("stream_tls", tests, NULL, NULL);
}
