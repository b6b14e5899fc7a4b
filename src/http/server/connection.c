/* SPDX-License-Identifier: MIT */
#include "http/server/connection.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <stdbool.h>
#include <strings.h>

#define LINGER_MS    2000
#define SWEEP_MAX_MS 1000

/* after this many turns all sockets that were shut down are closed: input, answer, end of input */
#define CLOSE_TURNS 64

/* bytes of an answer that a client must accept within connections->patience_ms */
#define ANSWER_MIN_BYTES 1024

/** What a connection waits for. */
enum activity {
    ACTIVITY_OURS,    /* our answer; also a stream, whose client may stay silent */
    ACTIVITY_IDLE,    /* the next request */
    ACTIVITY_REQUEST, /* the rest of a request */
    ACTIVITY_ANSWER,  /* the client, to accept its answer */
    ACTIVITY_LINGER   /* the client, to close; libh2o has closed the connection */
};

struct connection {
    struct list link;
    struct connections *owner;
    h2o_socket_t *socket;
    enum listener_kind kind;
    struct connection_peer peer;
    bool is_waiting;                  /* its request waits for the store */
    bool is_ended;                    /* its reading side was shut down */
    void (*on_input_end)(void *data); /* set during a stream */
    void *on_input_end_data;
    int linger_fd; /* keeps the socket open after libh2o closed it; -1 */

    /* state at the last sweep */
    enum activity activity;
    uint64_t progress;
    uint64_t deadline_ms; /* on the clock of loop_patience_ms() */
};

static void shut_down(const struct connection *connection, int how)
{
    /* it fails only if the client closed first */
    (void)shutdown(h2o_socket_get_fd(connection->socket), how);
}

/* Deadlines */

static enum activity find_activity(const struct connection *connection)
{
    const h2o_socket_t *socket = connection->socket;

    if (connection->activity == ACTIVITY_LINGER) {
        return ACTIVITY_LINGER;
    }
    if (h2o_socket_is_writing(connection->socket)) {
        return ACTIVITY_ANSWER;
    }
    if (connection->is_waiting || connection->on_input_end != NULL ||
        !h2o_socket_is_reading(connection->socket)) {
        return ACTIVITY_OURS;
    }
    return socket->input->size != 0 ? ACTIVITY_REQUEST : ACTIVITY_IDLE;
}

/**
 * Returns the bytes that the client's kernel has acknowledged. For a unix socket it is only a
 * number that changes with progress.
 */
static uint64_t taken_bytes(const struct connection *connection)
{
    int fd = h2o_socket_get_fd(connection->socket);
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);
    int queued = 0;

    if (!connection->peer.is_local && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
        return info.tcpi_bytes_acked;
    }
    (void)ioctl(fd, SIOCOUTQ, &queued);
    return connection->socket->bytes_written + (uint64_t)queued;
}

/**
 * Whether the connection made enough progress to get a new deadline. A request gets one deadline
 * from its first byte, so sending it slowly does not extend the deadline. An answer over TCP needs
 * ANSWER_MIN_BYTES per deadline, so no client can hold a connection for ever. On unix sockets and
 * for streams any progress is enough.
 */
static bool makes_progress(struct connection *connection, enum activity activity)
{
    bool is_answer = activity == ACTIVITY_ANSWER;
    bool is_slow_ok = connection->peer.is_local || connection->on_input_end != NULL;
    uint64_t now = is_answer ? taken_bytes(connection) : connection->socket->bytes_written;
    uint64_t before = connection->progress;
    bool has_progress =
        now != before && (!is_answer || is_slow_ok || now - before >= ANSWER_MIN_BYTES);

    if (activity != connection->activity || has_progress) {
        connection->progress = now;
        return true;
    }
    return false;
}

/**
 * Ends an overdue connection. Input that libh2o has not read yet is still answered, unless the
 * input was ended before.
 */
static void give_up(struct connection *connection, enum activity activity)
{
    bool is_input = activity == ACTIVITY_IDLE || activity == ACTIVITY_REQUEST;

    shut_down(connection, is_input && !connection->is_ended ? SHUT_RD : SHUT_RDWR);
    connection->is_ended = true;
}

static void look_at(struct connection *connection, uint64_t now_ms)
{
    enum activity activity = find_activity(connection);
    bool is_fresh = activity != ACTIVITY_LINGER && makes_progress(connection, activity);

    if (is_fresh || activity == ACTIVITY_OURS) {
        connection->activity = activity;
        connection->deadline_ms = now_ms + connection->owner->patience_ms;
    } else if (now_ms >= connection->deadline_ms) {
        give_up(connection, activity);
    }
}

static void start_sweep(struct connections *connections)
{
    uint64_t delay_ms = connections->patience_ms / 4;

    loop_timer_start(connections->loop, &connections->sweep,
                     delay_ms < SWEEP_MAX_MS ? delay_ms : SWEEP_MAX_MS);
}

static void on_sweep(struct loop_timer *timer)
{
    struct connections *connections = container_of(timer, struct connections, sweep);
    uint64_t now_ms = loop_patience_ms(connections->loop);

    list_for_each(link, &connections->all) {
        look_at(container_of(link, struct connection, link), now_ms);
    }
    if (!list_is_empty(&connections->all)) {
        start_sweep(connections);
    }
}

/* Life of a connection */

static void start(struct connection *connection, h2o_socket_t *socket);

static void on_linger_readable(h2o_socket_t *socket, const char *error)
{
    char waste[16384];
    ssize_t count = 1;

    /* bounded per turn, because a client can send without end */
    for (int i = 0; error == NULL && count > 0 && i < 16; i++) {
        count = recv(h2o_socket_get_fd(socket), waste, sizeof(waste), MSG_DONTWAIT);
    }
    if (error != NULL || count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        h2o_socket_close(socket);
    }
}

/** Keeps a connection open that libh2o closed, on a descriptor of our own. */
static void start_lingering(struct connection *connection)
{
    h2o_socket_t *socket = h2o_evloop_socket_create(
        loop_h2o(connection->owner->loop), connection->linger_fd, H2O_SOCKET_FLAG_DONT_READ);

    connection->linger_fd = -1;
    connection->activity = ACTIVITY_LINGER;
    connection->deadline_ms = loop_patience_ms(connection->owner->loop) + LINGER_MS;
    start(connection, socket);
    shut_down(connection, SHUT_WR);
    h2o_socket_read_start(socket, on_linger_readable);
}

static void on_socket_closed(void *data)
{
    struct connection *connection = data;
    struct connections *owner = connection->owner;
    enum listener_kind kind = connection->kind;

    if (connection->linger_fd >= 0) {
        start_lingering(connection);
        return;
    }
    list_remove(&connection->link);
    free(connection);
    owner->open[kind]--;
    owner->on_close(owner->data, kind);
}

static void start(struct connection *connection, h2o_socket_t *socket)
{
    connection->socket = socket;
    socket->on_close.cb = on_socket_closed;
    socket->on_close.data = connection;
}

static void read_peer(h2o_socket_t *socket, struct connection_peer *ret_peer)
{
    struct sockaddr_storage peer;

    if (h2o_socket_getpeername(socket, (struct sockaddr *)&peer) != 0) {
        ret_peer->is_local = peer.ss_family == AF_UNIX;
        ret_peer->is_known = ret_peer->is_local ||
                             units_sockaddr_ip((struct sockaddr *)&peer, &ret_peer->address) == 0;
    }
}

void connections_add(struct connections *connections, h2o_socket_t *socket, enum listener_kind kind)
{
    struct connection *connection = alloc_zero(1, sizeof(*connection));

    connection->owner = connections;
    connection->kind = kind;
    connection->linger_fd = -1;
    read_peer(socket, &connection->peer);
    if (list_is_empty(&connections->all)) {
        start_sweep(connections);
    }
    list_append(&connections->all, &connection->link);
    connections->open[kind]++;
    connections->accepted[kind]++;
    start(connection, socket);
}

void connection_linger(h2o_socket_t *socket)
{
    struct connection *connection = socket->on_close.data;

    if (connection->linger_fd < 0) {
        connection->linger_fd = fcntl(h2o_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
    }
}

static struct connection *connection_of(const h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

const struct connection_peer *connection_peer(const h2o_req_t *req)
{
    return &connection_of(req)->peer;
}

/* Waiting for an answer */

/** Input, or its end, waits until the request is answered. */
static void on_input_while_waiting(h2o_socket_t *socket, const char *error)
{
    (void)error;
    h2o_socket_read_stop(socket);
}

void connection_begin_wait(h2o_req_t *req)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    struct connection *connection = socket->on_close.data;

    connection->is_waiting = true;
    h2o_socket_dont_read(socket, 1);
    h2o_socket_read_start(socket, on_input_while_waiting);
}

void connection_end_wait(h2o_req_t *req)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    struct connection *connection = socket->on_close.data;

    connection->is_waiting = false;
    h2o_socket_read_stop(socket);
    h2o_socket_dont_read(socket, 0);
}

/* Streams */

static void on_input_while_streaming(h2o_socket_t *socket, const char *error)
{
    const struct connection *connection = socket->on_close.data;

    h2o_buffer_consume(&socket->input, socket->input->size);
    if (error != NULL) {
        h2o_socket_read_stop(socket);
        connection->on_input_end(connection->on_input_end_data);
    }
}

void connection_begin_stream(h2o_req_t *req, void (*on_end)(void *data), void *data)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    struct connection *connection = socket->on_close.data;

    connection->on_input_end = on_end;
    connection->on_input_end_data = data;
    h2o_socket_read_start(socket, on_input_while_streaming);
}

void connection_end_stream(h2o_req_t *req)
{
    h2o_socket_read_stop(req->conn->callbacks->get_socket(req->conn));
}

/* All connections */

void connections_init(struct connections *connections, struct loop *loop, uint64_t patience_ms)
{
    memset(connections, 0, sizeof(*connections));
    connections->loop = loop;
    connections->patience_ms = patience_ms;
    list_init(&connections->all);
    loop_timer_init(&connections->sweep, on_sweep);
}

void connections_finish(struct connections *connections)
{
    loop_timer_stop(&connections->sweep);
}

/* whether the connection waits for a request, or for the rest of one */
static bool is_unused(const struct connection *connection)
{
    return !connection->is_ended && !connection->is_waiting &&
           connection->activity != ACTIVITY_LINGER && connection->on_input_end == NULL &&
           h2o_socket_is_reading(connection->socket) && !h2o_socket_is_writing(connection->socket);
}

void connections_make_room(struct connections *connections, enum listener_kind kind)
{
    struct connection *oldest = NULL;

    list_for_each(link, &connections->all) { /* in the order of accepting */
        struct connection *connection = container_of(link, struct connection, link);

        if (connection->kind != kind || !is_unused(connection)) {
            continue;
        }
        if (connection->socket->input->size == 0) {
            oldest = connection;
            break;
        }
        oldest = oldest != NULL ? oldest : connection;
    }
    if (oldest != NULL) {
        oldest->is_ended = true;
        shut_down(oldest, SHUT_RD);
    }
}

void connections_end_input(struct connections *connections, enum listener_kind kind,
                           bool even_in_request)
{
    list_for_each(link, &connections->all) {
        struct connection *connection = container_of(link, struct connection, link);
        h2o_socket_t *socket = connection->socket;

        if (connection->kind == kind && !connection->is_ended && !connection->is_waiting &&
            h2o_socket_is_reading(socket) && (socket->input->size == 0 || even_in_request)) {
            connection->is_ended = true;
            shut_down(connection, SHUT_RD);
        }
    }
}

/** Answers a request whose handler will not answer it any more. */
static int end_request(h2o_req_t *req, void *data)
{
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    const struct connection *connection = socket->on_close.data;

    (void)data;
    if (connection->is_waiting) {
        connection_end_wait(req);
    }
    if (req->res.status == 0 && !h2o_socket_is_reading(socket) && !h2o_socket_is_writing(socket)) {
        h2o_send_error_503(req, "Service Unavailable", "the server ends",
                           H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
    }
    return 0;
}

void connections_close_all(struct connections *connections, h2o_context_t *context)
{
    context->globalconf->http1.callbacks.foreach_request(context, end_request, NULL);
    for (int turn = 0; turn < CLOSE_TURNS && !list_is_empty(&connections->all); turn++) {
        list_for_each(link, &connections->all) {
            shut_down(container_of(link, struct connection, link), SHUT_RDWR);
        }
        h2o_evloop_run(loop_h2o(connections->loop), 0);
    }
    if (!list_is_empty(&connections->all)) {
        log_error("http: connections are left over at the end; this is a bug");
    }
}

/* --- request heads --- */

struct seen {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
};

/* `length` includes the colon; the line of `end - line` bytes ends in CR */
static bool has_name(const char *line, const char *end, const char *name, size_t length)
{
    return (size_t)(end - line) > length && line[length - 1] == ':' &&
           strncasecmp(line, name, length) == 0;
}

static void note_line(const char *line, const char *end, struct seen *seen)
{
    switch (*line | 0x20) {
    case 'h':
        seen->hosts += has_name(line, end, H2O_STRLIT("host:"));
        break;
    case 'c':
        seen->lengths += has_name(line, end, H2O_STRLIT("content-length:"));
        break;
    case 't':
        seen->encodings += has_name(line, end, H2O_STRLIT("transfer-encoding:"));
        break;
    }
}

static const char *judge(const h2o_req_t *req, const struct seen *seen)
{
    if (seen->hosts == 1 && seen->lengths + seen->encodings <= 1) {
        return NULL;
    }
    if (seen->hosts > 1) {
        return "the request has two Host headers";
    }
    if (seen->lengths + seen->encodings > 1) {
        return "the request has two of Content-Length and Transfer-Encoding";
    }
    return req->version >= 0x101 ? "the request has no Host header" : NULL;
}

/* libh2o leaves the request in the socket's buffer, body and all, until it is answered */
const char *connection_find_fault(const h2o_req_t *req)
{
    const char *line = req->conn->callbacks->get_socket(req->conn)->input->bytes;
    bool is_request_line = true;
    struct seen seen = {0};

    if (line[0] == '\r' && line[1] == '\n') {
        line += 2; /* an empty line before a request is skipped (RFC 9112, 2.2) */
    }
    for (;;) {
        const char *end = rawmemchr(line, '\n');

        if (end == line || end[-1] != '\r') {
            return "a line of the request ends without CR";
        }
        if (end == line + 1) {
            return judge(req, &seen);
        }
        if (!is_request_line) {
            note_line(line, end, &seen);
        }
        is_request_line = false;
        line = end + 1;
        if (*line == ' ' || *line == '\t') {
            return "a header of the request continues on a second line";
        }
    }
}
