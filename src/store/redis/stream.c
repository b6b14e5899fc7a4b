/* SPDX-License-Identifier: MIT */
#include "store/redis/stream.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <h2o.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    struct loop *loop;
    struct stream_target *target;
    const struct stream_callbacks *callbacks;
    void *data;

    h2o_hostinfo_getaddr_req_t *lookup;
    struct stream_peer candidates[STREAM_PEERS_MAX];
    size_t candidate_count;
    size_t candidate; /* index of the next candidate to try */

    h2o_socket_t *socket;
    bool is_handshaking;
    struct loop_task report; /* calls on_failed outside of the function that failed */
    char reason[256];

    struct loop_task flush; /* writes, inside a turn, what was sent outside of one */
    struct buf writing;     /* handed to libh2o */
    struct buf waiting;     /* to be written after it */
    bool is_broken;         /* writing failed; drop further bytes */
    bool is_closed;         /* closed inside a callback; freed when it returns */
    unsigned depth;         /* nesting depth of running callbacks */
};

/* notes of the last handshake in a TLS context; its streams take turns */
struct tls_notes {
    bool wants_certificate; /* the server requested one, and has sent no data since */
};

static void connect_next(struct stream *stream);
static const char *explain_handshake(const struct stream *stream, const char *error);
static struct tls_notes *notes_of(const struct stream *stream);
static void on_flush(struct loop_task *task);
static void on_socket_readable(h2o_socket_t *socket, const char *error);

static void free_stream(struct stream *stream)
{
    buf_finish(&stream->writing);
    buf_finish(&stream->waiting);
    free(stream);
}

/*
 * Enclose each callback. leave() returns false if the callback closed the stream; the stream is
 * then freed.
 */
static void enter(struct stream *stream)
{
    stream->depth++;
}

static bool leave(struct stream *stream)
{
    bool is_closed = stream->is_closed;

    if (--stream->depth == 0 && is_closed) {
        free_stream(stream);
    }
    return !is_closed;
}

static void close_socket(struct stream *stream)
{
    if (stream->socket != NULL) {
        h2o_socket_close(stream->socket);
        stream->socket = NULL;
    }
}

static void on_report(struct loop_task *task)
{
    struct stream *stream = container_of(task, struct stream, report);

    enter(stream);
    stream->callbacks->on_failed(stream->data, stream->reason);
    leave(stream);
}

static void fail(struct stream *stream, const char *what, const char *reason)
{
    snprintf(stream->reason, sizeof(stream->reason), "%s: %s", what, reason);
    close_socket(stream);
    loop_task_schedule(stream->loop, &stream->report);
}

/* --- connecting --- */

static void become_open(struct stream *stream)
{
    h2o_socket_read_start(stream->socket, on_socket_readable);
    enter(stream);
    stream->callbacks->on_open(stream->data);
    leave(stream);
}

static void on_handshake(h2o_socket_t *socket, const char *error)
{
    struct stream *stream = socket->data;

    stream->is_handshaking = false;
    if (error != NULL) {
        fail(stream, "TLS", explain_handshake(stream, error));
        return;
    }
    become_open(stream);
}

static void on_connected(h2o_socket_t *socket, const char *unused)
{
    struct stream *stream = socket->data;
    struct stream_target *target = stream->target;
    int error = 0;
    socklen_t length = sizeof(error);

    (void)unused;
    if (getsockopt(h2o_socket_get_fd(socket), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        error = errno;
    }
    if (error != 0) {
        close_socket(stream);
        snprintf(stream->reason, sizeof(stream->reason), "connect: %s", strerror(error));
        connect_next(stream);
    } else if (target->tls != NULL) {
        stream->is_handshaking = true;
        notes_of(stream)->wants_certificate = false;
        ERR_clear_error();
        h2o_socket_ssl_handshake(socket, target->tls, target->address.host, on_handshake);
    } else {
        become_open(stream);
    }
}

/* starts to connect; returns the error if that failed at once, or 0 */
static int start_connect(struct stream *stream, const struct sockaddr *sockaddr, socklen_t length)
{
    int fd = socket(sockaddr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0) {
        return errno;
    }
    if (sockaddr->sa_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    if (connect(fd, sockaddr, length) != 0 && errno != EINPROGRESS) {
        int error = errno;

        close(fd);
        return error;
    }
    /* h2o_socket_connect() would hide the reason of a failure */
    stream->socket = h2o_evloop_socket_create(loop_h2o(stream->loop), fd, 0);
    stream->socket->data = stream;
    h2o_socket_notify_write(stream->socket, on_connected);
    return 0;
}

/* tries the remaining candidates; `reason` holds the last failure */
static void connect_next(struct stream *stream)
{
    while (stream->candidate < stream->candidate_count) {
        const struct stream_peer *peer = &stream->candidates[stream->candidate++];
        int error;

        stream_target_note(stream->target, peer);
        error = start_connect(stream, (const struct sockaddr *)&peer->sockaddr, peer->length);
        if (error == 0) {
            return;
        }
        snprintf(stream->reason, sizeof(stream->reason), "connect: %s", strerror(error));
    }
    loop_task_schedule(stream->loop, &stream->report);
}

/* --- resolving --- */

static void add_candidate(struct stream *stream, const void *sockaddr, socklen_t length)
{
    struct stream_peer *candidate = &stream->candidates[stream->candidate_count];

    if (stream->candidate_count < STREAM_PEERS_MAX && length <= sizeof(candidate->sockaddr)) {
        memcpy(&candidate->sockaddr, sockaddr, length);
        candidate->length = length;
        stream->candidate_count++;
    }
}

static void on_lookup(h2o_hostinfo_getaddr_req_t *lookup, const char *error, struct addrinfo *found,
                      void *data)
{
    struct stream *stream = data;

    (void)lookup;
    stream->lookup = NULL;
    loop_end_lookup(stream->loop);
    if (error != NULL) {
        fail(stream, "resolve", error);
        return;
    }
    for (; found != NULL; found = found->ai_next) {
        add_candidate(stream, found->ai_addr, found->ai_addrlen);
    }
    stream_target_order(stream->target, stream->candidates, stream->candidate_count);
    enter(stream);
    stream->callbacks->on_resolved(stream->data);
    if (leave(stream)) {
        connect_next(stream);
    }
}

/* adds an address that needs no resolver: a path or a numeric address; returns false for a name */
static bool add_known(struct stream *stream)
{
    const struct address *address = &stream->target->address;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};

    if (address->is_unix) {
        memcpy(local.sun_path, address->path, sizeof(local.sun_path));
        add_candidate(stream, &local, sizeof(local));
    } else if (inet_pton(AF_INET, address->host, &v4.sin_addr) == 1) {
        add_candidate(stream, &v4, sizeof(v4));
    } else if (inet_pton(AF_INET6, address->host, &v6.sin6_addr) == 1) {
        add_candidate(stream, &v6, sizeof(v6));
    }
    return stream->candidate_count != 0;
}

struct stream *stream_open(struct loop *loop, struct stream_target *target,
                           const struct stream_callbacks *callbacks, void *data)
{
    struct stream *stream = alloc_zero(1, sizeof(*stream));
    const char *host = target->address.host;
    char port[8];

    stream->loop = loop;
    stream->target = target;
    stream->callbacks = callbacks;
    stream->data = data;
    loop_task_init(&stream->report, on_report);
    loop_task_init(&stream->flush, on_flush);
    *target->peer = '\0';
    if (add_known(stream)) {
        connect_next(stream);
        return stream;
    }
    snprintf(port, sizeof(port), "%u", target->address.port);
    stream->lookup =
        h2o_hostinfo_getaddr(loop_begin_lookup(loop), h2o_iovec_init(host, strlen(host)),
                             h2o_iovec_init(port, strlen(port)), AF_UNSPEC, SOCK_STREAM,
                             IPPROTO_TCP, AI_ADDRCONFIG | AI_NUMERICSERV, on_lookup, stream);
    return stream;
}

bool stream_is_handshaking(const struct stream *stream)
{
    return stream->is_handshaking;
}

bool stream_is_resolving(const struct stream *stream)
{
    return stream->lookup != NULL;
}

/* --- bytes --- */

static const char no_certificate[] =
    "the server requires a certificate of its clients, and visitcountd has none: set "
    "tls-auth-clients to optional or no in redis.conf";

static void fail_reading(struct stream *stream, const char *error)
{
    if (stream->target->tls != NULL && notes_of(stream)->wants_certificate) {
        fail(stream, "TLS", no_certificate);
    } else if (error == h2o_socket_error_closed) {
        fail(stream, "read", &STREAM_CLOSED[strlen("read: ")]);
    } else {
        fail(stream, "read", error);
    }
}

static void on_socket_readable(h2o_socket_t *socket, const char *error)
{
    struct stream *stream = socket->data;

    if (error != NULL) {
        fail_reading(stream, error);
        return;
    }
    if (stream->target->tls != NULL && socket->input->size != 0) {
        notes_of(stream)->wants_certificate = false; /* the certificate was optional */
    }
    enter(stream);
    stream->callbacks->on_bytes(stream->data, socket->input->bytes, socket->input->size);
    if (!stream->is_closed) {
        h2o_buffer_consume(&socket->input, socket->input->size);
    }
    leave(stream);
}

static void write_waiting(struct stream *stream);

static void on_written(h2o_socket_t *socket, const char *error)
{
    struct stream *stream = socket->data;

    buf_clear(&stream->writing);
    if (error != NULL) {
        /*
         * The peer is gone. Reading goes on to the end, because the last bytes may contain the
         * reason.
         */
        stream->is_broken = true;
    } else if (stream->waiting.length != 0) {
        write_waiting(stream);
    }
}

static void write_waiting(struct stream *stream)
{
    struct buf empty = stream->writing;
    h2o_iovec_t bytes;

    stream->writing = stream->waiting;
    stream->waiting = empty;
    bytes = h2o_iovec_init(stream->writing.bytes, stream->writing.length);
    h2o_socket_write(stream->socket, &bytes, 1, on_written);
}

void stream_write(struct stream *stream, const char *bytes, size_t length)
{
    if (stream->socket == NULL || stream->is_broken) {
        return; /* the connection failed; on_failed follows */
    }
    buf_append(&stream->waiting, bytes, length);
    if (!loop_is_turning(stream->loop)) {
        loop_task_schedule(stream->loop, &stream->flush);
    } else if (!h2o_socket_is_writing(stream->socket)) {
        write_waiting(stream);
    }
}

static void on_flush(struct loop_task *task)
{
    struct stream *stream = container_of(task, struct stream, flush);

    if (stream->socket != NULL && stream->waiting.length != 0 &&
        !h2o_socket_is_writing(stream->socket)) {
        write_waiting(stream);
    }
}

void stream_close(struct stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->lookup != NULL) {
        h2o_hostinfo_getaddr_cancel(stream->lookup);
    }
    close_socket(stream);
    loop_task_cancel(&stream->report);
    loop_task_cancel(&stream->flush);
    stream->is_closed = true;
    if (stream->depth == 0) {
        free_stream(stream);
    }
}

/* --- TLS --- */

static struct tls_notes *notes_of(const struct stream *stream)
{
    return SSL_CTX_get_app_data(stream->target->tls);
}

static int on_certificate_wanted(SSL *ssl, X509 **ret_certificate, EVP_PKEY **ret_key)
{
    struct tls_notes *notes = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    (void)ret_certificate, (void)ret_key;
    notes->wants_certificate = true;
    return 0; /* no certificate */
}

static const char *hint_of(const char *error)
{
    static const struct {
        int code;
        const char *hint;
    } rows[] = {
        {X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for another name than redis.host"},
        {X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is for another address than redis.host"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "redis.tls_ca does not have its authority"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "redis.tls_ca does not have it"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "redis.tls_ca does not have its authority"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "redis.tls_ca does not have its authority"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "redis.tls_ca does not have its authority"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "redis.tls_ca has another authority of this name"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(error, X509_verify_cert_error_string(rows[i].code)) == 0) {
            return rows[i].hint;
        }
    }
    return error == h2o_socket_error_ssl_cert_name_mismatch ? rows[0].hint : NULL;
}

/* explains a failed handshake: libh2o reports certificate errors, OpenSSL all others */
static const char *explain_handshake(const struct stream *stream, const char *error)
{
    static char text[200];
    unsigned long code = ERR_peek_error();
    const char *hint = hint_of(error);
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_reason_error_string(code) : NULL;

    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return "the server does not speak TLS on this port: see redis.tls and redis.port";
    }
    if (notes_of(stream)->wants_certificate && strncmp(error, "ssl ", 4) == 0) {
        return no_certificate;
    }
    if (hint == NULL && (reason == NULL || strncmp(error, "ssl ", 4) != 0)) {
        return error;
    }
    if (hint == NULL) {
        return reason;
    }
    snprintf(text, sizeof(text), "%s: %s", error, hint);
    return text;
}

struct ssl_ctx_st *stream_tls_create(const char *ca_file, const char *host, const char **ret_reason)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    struct tls_notes *notes = calloc(1, sizeof(*notes));
    X509_VERIFY_PARAM *verify;

    if (tls == NULL || notes == NULL) {
        abort();
    }
    SSL_CTX_set_app_data(tls, notes);
    SSL_CTX_set_client_cert_cb(tls, on_certificate_wanted);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    /* libh2o 2.2 does not verify the name with TLS 1.3, so OpenSSL must */
    verify = SSL_CTX_get0_param(tls);
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1) {
        SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    } else {
        X509_VERIFY_PARAM_set1_host(verify, host, 0);
    }
    if (*ca_file == '\0') {
        SSL_CTX_set_default_verify_paths(tls);
    } else if (SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1) {
        *ret_reason = "no certificates can be read from it";
        stream_tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void stream_tls_destroy(struct ssl_ctx_st *tls)
{
    if (tls != NULL) {
        free(SSL_CTX_get_app_data(tls));
    }
    SSL_CTX_free(tls);
}
