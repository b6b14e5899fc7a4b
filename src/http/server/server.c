/* SPDX-License-Identifier: MIT */
#include "http/server/server.h"

#include "base/alloc.h"
#include "http/server/acceptor.h"
#include "http/server/connection.h"
#include "http/server/listener.h"
#include "http/server/unparsed_head.h"
#include "loop/loop.h"

#include <h2o.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX_BYTES (64 * 1024)

/* limit of connections to the admin socket, and of those to metrics */
#define OTHER_MAX_CONNECTIONS 64

/* of these, how many stay free for new connections: older ones that are idle are closed for them */
#define OTHER_RESERVE 16

/*
 * delays while draining: before idle connections are closed, before those with half a request are
 * closed, and between two searches for them
 */
#define DRAIN_IDLE_MS 500
#define DRAIN_HALF_MS 2000
#define DRAIN_STEP_MS 50

/*
 * --- libh2o's own errors ---
 *
 * libh2o refuses some requests before a route sees them: a body that is too large or broken, an
 * expectation other than 100-continue. Such an error becomes JSON. Its connection lingers, because
 * the client may still be sending.
 */

static const struct {
    int status;
    h2o_iovec_t body;
} protocol_errors[] = {
    {413,
     {H2O_STRLIT("{\"error\":{\"code\":\"body_too_large\","
                 "\"message\":\"a request body may have 64 KiB\"}}\n")}},
    {417,
     {H2O_STRLIT("{\"error\":{\"code\":\"expectation_failed\","
                 "\"message\":\"the only expectation is 100-continue\"}}\n")}},
    {503,
     {H2O_STRLIT("{\"error\":{\"code\":\"shutting_down\","
                 "\"message\":\"the server ends\"}}\n")}},
    {400,
     {H2O_STRLIT("{\"error\":{\"code\":\"bad_request\","
                 "\"message\":\"the request body is broken\"}}\n")}},
};

#define ERROR_COUNT (sizeof(protocol_errors) / sizeof(protocol_errors[0]))

struct error_filter {
    h2o_filter_t super;
    bool is_public;
};

/** Replaces libh2o's text in the stream of an answer. */
struct error_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_body(h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *buffers, size_t count,
                      h2o_send_state_t state)
{
    struct error_stream *stream = (struct error_stream *)ostream;

    (void)buffers;
    h2o_ostream_send_next(ostream, req, &stream->body, count != 0 ? 1 : 0, state);
}

static void on_setup_answer(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    static const char type[] = "application/json";
    struct error_stream *stream;
    size_t index = 0;

    if (req->compress_hint != H2O_COMPRESS_HINT_DISABLE) { /* set by response_send() */
        while (index < ERROR_COUNT - 1 && protocol_errors[index].status != req->res.status) {
            index++;
        }
        stream = (struct error_stream *)h2o_add_ostream(req, sizeof(*stream), slot);
        stream->super.do_send = send_body;
        stream->body = protocol_errors[index].body;
        req->res.content_length = stream->body.len;
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, type,
                       sizeof(type) - 1, 1);
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL,
                       H2O_STRLIT("no-store, max-age=0"));
        if (((struct error_filter *)filter)->is_public) {
            h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN,
                           NULL, H2O_STRLIT("*"));
        }
        connection_linger(req->conn->callbacks->get_socket(req->conn));
        slot = &stream->super.next;
    }
    h2o_setup_next_ostream(req, slot);
}

/** Filters all answers. `is_public`: scripts of other origins may read the errors (CORS). */
static void register_error_filter(h2o_pathconf_t *pathconf, bool is_public)
{
    struct error_filter *filter =
        (struct error_filter *)h2o_create_filter(pathconf, sizeof(*filter));

    filter->super.on_setup_ostream = on_setup_answer;
    filter->is_public = is_public;
}

/* --- the server --- */

/** A kind of listener: its handler, and its host table in libh2o. */
struct kind {
    struct server_handler handler;
    h2o_hostconf_t *hosts[2];
    h2o_accept_ctx_t accept;
    uint64_t requests;
};

struct server {
    struct loop *loop;
    const struct config *config;

    h2o_globalconf_t globalconf;
    h2o_context_t context;
    struct kind kinds[LISTENER_KINDS];
    struct connections connections;
    struct acceptor acceptor;

    bool is_draining;
    uint64_t drain_began_at_ms;
    struct loop_timer drain_step;
    struct loop_task drained;
    void (*on_drained)(void *data);
    void *on_drained_data;
};

/*
 * Heads that cannot be parsed
 *
 * libh2o would refuse such a head in plain text, or close the connection without an answer. Its
 * parser, picohttpparser, is called through the symbol phr_parse_request() of its library. The
 * program defines this symbol as well, so libh2o calls ours, which calls the library's. If that
 * fails, ours returns the request "GET /" without headers in place of the head, and on_request()
 * refuses it. With a library that does not call its parser by the symbol, libh2o's plain text would
 * come back; tests/e2e/test_request_heads.py would notice.
 */

/* the largest head of a request; libh2o closes the connection at 408 KiB */
#define HEAD_BYTES_MAX (400 * 1024)

/* the parser's results besides a length */
#define PARSE_FAILED     (-1)
#define PARSE_INCOMPLETE (-2)

struct phr_header;

typedef int phr_function(const char *bytes, size_t length, const char **method,
                         size_t *method_length, const char **path, size_t *path_length,
                         int *minor_version, struct phr_header *headers, size_t *header_count,
                         size_t last_length);

__attribute__((visibility("default"))) phr_function phr_parse_request;

/*
 * Why the head that was parsed last cannot be accepted, or NULL. The handler is called at once,
 * because the request that stands for the head has no body.
 */
static const char *unparsed_fault;

static phr_function *find_parser(void)
{
    static phr_function *parser;

    if (parser == NULL) {
        parser = (phr_function *)dlsym(RTLD_NEXT, "phr_parse_request");
    }
    if (parser == NULL) {
        abort(); /* libh2o has another parser */
    }
    return parser;
}

int phr_parse_request(const char *bytes, size_t length, const char **method, size_t *method_length,
                      const char **path, size_t *path_length, int *minor_version,
                      struct phr_header *headers, size_t *header_count, size_t last_length)
{
    int result = find_parser()(bytes, length, method, method_length, path, path_length,
                               minor_version, headers, header_count, last_length);
    bool is_head;

    if (result >= 0 ? result <= HEAD_BYTES_MAX
                    : result == PARSE_INCOMPLETE && length <= HEAD_BYTES_MAX) {
        return result;
    }
    unparsed_fault = result == PARSE_FAILED ? unparsed_head_explain(bytes, length)
                                            : "the head of the request has more than 400 KiB";
    is_head = length >= 5 && memcmp(bytes, "HEAD ", 5) == 0; /* its answer has no body */
    *method = is_head ? "HEAD" : "GET";
    *method_length = strlen(*method);
    *path = "/";
    *path_length = 1;
    *minor_version = 1;
    *header_count = 0;
    return (int)length;
}

/* Requests */

struct kind_handler {
    h2o_handler_t super;
    struct kind *kind;
};

/* answers 400 and closes the connection; `message` has no character that JSON escapes */
static void refuse_request(h2o_req_t *req, bool is_public, const char *message)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_iovec_t parts[] = {{H2O_STRLIT("{\"error\":{\"code\":\"bad_request\",\"message\":\"")},
                           h2o_iovec_init(message, strlen(message)),
                           {H2O_STRLIT("\"}}\n")}};
    h2o_iovec_t body = h2o_concat_list(&req->pool, parts, 3);
    bool is_head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));

    req->res.status = 400;
    req->res.reason = "Bad Request";
    req->res.content_length = body.len;
    req->compress_hint = H2O_COMPRESS_HINT_DISABLE; /* not to be replaced by on_setup() */
    req->http1_is_persistent = 0;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/json"));
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL,
                   H2O_STRLIT("no-store, max-age=0"));
    if (is_public) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN, NULL,
                       H2O_STRLIT("*"));
    }
    connection_linger(req->conn->callbacks->get_socket(req->conn));
    h2o_start_response(req, &generator);
    h2o_send(req, &body, is_head ? 0 : 1, H2O_SEND_STATE_FINAL);
}

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    struct kind *kind = ((struct kind_handler *)handler)->kind;
    const char *fault = unparsed_fault != NULL ? unparsed_fault : connection_find_fault(req);

    unparsed_fault = NULL; /* the next request may be one that was parsed before */
    kind->requests++;
    if (fault != NULL) {
        refuse_request(req, kind->handler.is_public, fault);
        return 0;
    }
    kind->handler.on_request(kind->handler.data, req);
    return 0;
}

/**
 * Registers a fallback path, which takes all requests. Thus libh2o's own routing by path has no
 * effect.
 */
static void init_kind(struct server *server, enum listener_kind index, const char *host,
                      const struct server_handler *served)
{
    struct kind *kind = &server->kinds[index];
    h2o_hostconf_t *hostconf =
        h2o_config_register_host(&server->globalconf, h2o_iovec_init(host, strlen(host)), 65535);
    struct kind_handler *handler = (struct kind_handler *)h2o_create_handler(
        &hostconf->fallback_path, sizeof(struct kind_handler));

    register_error_filter(&hostconf->fallback_path, served->is_public);
    handler->super.on_req = on_request;
    handler->kind = kind;
    kind->handler = *served;
    kind->hosts[0] = hostconf;
    kind->accept.ctx = &server->context;
    kind->accept.hosts = kind->hosts;
    server->acceptor.contexts[index] = &kind->accept;
}

static void init_h2o(struct server *server, const struct server_handler *handlers)
{
    h2o_globalconf_t *globalconf = &server->globalconf;

    h2o_config_init(globalconf);
    globalconf->server_name = h2o_iovec_init("", 0); /* no Server header */
    globalconf->max_request_entity_size = BODY_MAX_BYTES;
    globalconf->http1.upgrade_to_http2 = 0;
    init_kind(server, LISTENER_VISITORS, "visitors", &handlers[LISTENER_VISITORS]);
    init_kind(server, LISTENER_ADMIN, "admin", &handlers[LISTENER_ADMIN]);
    init_kind(server, LISTENER_METRICS, "metrics", &handlers[LISTENER_METRICS]);
    h2o_context_init(&server->context, loop_h2o(server->loop), globalconf);
    /* removed from the loop: it uses the wall clock, and `connection` has its own deadlines */
    h2o_timeout_dispose(loop_h2o(server->loop), &server->context.http1.req_timeout);
}

static void finish_h2o(struct server *server)
{
    h2o_multithread_queue_t *queue = server->context.queue;

    /* put back, because h2o_context_dispose() removes it */
    h2o_timeout_init(loop_h2o(server->loop), &server->context.http1.req_timeout, 0);
    h2o_context_dispose(&server->context);
    free(queue); /* libh2o does not free it */
    h2o_config_dispose(&server->globalconf);
}

/* Listeners */

static bool open_address(struct server *server, enum listener_kind kind, const char *name,
                         const struct address *address, struct buf *errors)
{
    struct listener_socket sockets[LISTENER_ADDRESS_MAX];
    enum listener_access access = kind == LISTENER_ADMIN ? LISTENER_GROUP : LISTENER_ANYONE;
    size_t count = listener_open(name, address, access, sockets, errors);

    for (size_t i = 0; i < count; i++) {
        acceptor_add(&server->acceptor, kind, &sockets[i]);
    }
    return count != 0;
}

static bool open_addresses(struct server *server, enum listener_kind kind, const char *option,
                           const struct config_addresses *addresses, struct buf *errors)
{
    char name[ADDRESS_TEXT_MAX + 32];
    char text[ADDRESS_TEXT_MAX];
    bool is_open = true;

    for (size_t i = 0; i < addresses->count; i++) {
        const struct address *address = &addresses->items[i];

        snprintf(name, sizeof(name), "%s %s", option, address_format(address, text));
        is_open &= open_address(server, kind, name, address, errors);
    }
    return is_open;
}

static bool open_inherited(struct server *server, const struct server_options *options,
                           struct buf *errors)
{
    bool is_open = true;

    for (size_t i = 0; i < options->inherited_count; i++) {
        struct listener_socket socket;

        if (listener_inherit(options->inherited[i], &socket, errors) == 0) {
            acceptor_add(&server->acceptor, LISTENER_VISITORS, &socket);
        } else {
            is_open = false;
        }
    }
    return is_open;
}

static bool open_admin(struct server *server, struct buf *errors)
{
    struct address address = {.is_unix = true};
    char name[sizeof(address.path) + 32];
    bool is_open = false;
    char *path;

    if (server->config->admin_socket[0] == '\0') {
        return true;
    }
    path = config_expand(server->config, server->config->admin_socket);
    if (strlen(path) >= sizeof(address.path)) {
        buf_printf(errors,
                   "admin.socket %s: the path has %zu bytes; a unix socket's may have %zu\n", path,
                   strlen(path), sizeof(address.path) - 1);
    } else {
        memcpy(address.path, path, strlen(path) + 1);
        snprintf(name, sizeof(name), "admin.socket %s", path);
        is_open = open_address(server, LISTENER_ADMIN, name, &address, errors);
    }
    free(path);
    return is_open;
}

/** Tries all listeners, so that the user sees all errors at once. */
static bool open_listeners(struct server *server, const struct server_options *options,
                           struct buf *errors)
{
    const struct config *config = server->config;
    bool is_open = options->inherited_count != 0
                       ? open_inherited(server, options, errors)
                       : open_addresses(server, LISTENER_VISITORS, "http.listen",
                                        &config->http_listen, errors);

    is_open &= open_admin(server, errors);
    is_open &=
        open_addresses(server, LISTENER_METRICS, "metrics.listen", &config->metrics_listen, errors);
    return is_open;
}

/* Draining */

static void on_drained(struct loop_task *task)
{
    struct server *server = container_of(task, struct server, drained);
    void (*callback)(void *data) = server->on_drained;

    server->on_drained = NULL;
    loop_timer_stop(&server->drain_step);
    if (callback != NULL) {
        callback(server->on_drained_data);
    }
}

static void check_drained(struct server *server)
{
    if (server->on_drained != NULL && server->connections.open[LISTENER_VISITORS] == 0) {
        loop_task_schedule(server->loop, &server->drained);
    }
}

static void on_drain_step(struct loop_timer *timer)
{
    struct server *server = container_of(timer, struct server, drain_step);

    uint64_t passed_ms = loop_now_ms(server->loop) - server->drain_began_at_ms;

    if (passed_ms >= DRAIN_IDLE_MS) {
        connections_end_input(&server->connections, LISTENER_VISITORS, passed_ms >= DRAIN_HALF_MS);
    }
    loop_timer_start(server->loop, timer, DRAIN_STEP_MS);
}

static void on_connection_closed(void *data, enum listener_kind kind)
{
    struct server *server = data;

    (void)kind;
    acceptor_on_close(&server->acceptor);
    check_drained(server);
}

void server_drain(struct server *server, void (*callback)(void *data), void *data)
{
    if (server->is_draining) {
        return;
    }
    server->is_draining = true;
    server->drain_began_at_ms = loop_now_ms(server->loop);
    server->on_drained = callback;
    server->on_drained_data = data;
    acceptor_drain(&server->acceptor, LISTENER_VISITORS);
    /* h2o_context_request_shutdown() would also start timers of HTTP/2 */
    server->context.shutdown_requested = 1;
    loop_timer_start(server->loop, &server->drain_step, DRAIN_STEP_MS);
    check_drained(server);
}

bool server_is_draining(const struct server *server)
{
    return server->is_draining;
}

/* Life */

struct server *server_create(const struct server_options *options, struct buf *errors)
{
    const struct config *config = options->config;
    struct server *server = alloc_zero(1, sizeof(*server));

    server->loop = options->loop;
    server->config = config;
    loop_timer_init(&server->drain_step, on_drain_step);
    loop_task_init(&server->drained, on_drained);
    connections_init(&server->connections, server->loop, config->http_idle_timeout_ms);
    server->connections.on_close = on_connection_closed;
    server->connections.data = server;
    acceptor_init(&server->acceptor, server->loop, &server->connections);
    server->acceptor.max_connections[LISTENER_VISITORS] = config->http_max_connections;
    server->acceptor.max_connections[LISTENER_ADMIN] = OTHER_MAX_CONNECTIONS;
    server->acceptor.max_connections[LISTENER_METRICS] = OTHER_MAX_CONNECTIONS;
    server->acceptor.reserve[LISTENER_ADMIN] = OTHER_RESERVE;
    server->acceptor.reserve[LISTENER_METRICS] = OTHER_RESERVE;
    init_h2o(server, options->handlers);
    if (!open_listeners(server, options, errors)) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

void server_destroy(struct server *server)
{
    if (server == NULL) {
        return;
    }
    loop_timer_stop(&server->drain_step);
    loop_task_cancel(&server->drained);
    server->on_drained = NULL;
    server->is_draining = true;
    acceptor_finish(&server->acceptor);
    connections_close_all(&server->connections, &server->context);
    connections_finish(&server->connections);
    finish_h2o(server);
    free(server);
}

void server_count(const struct server *server, struct server_counts *ret_counts)
{
    *ret_counts = (struct server_counts){
        .open_connections = server->connections.open[LISTENER_VISITORS],
        .accepted_connections = server->connections.accepted[LISTENER_VISITORS],
        .requests = server->kinds[LISTENER_VISITORS].requests,
        .listeners = server->acceptor.views,
        .listener_count = server->acceptor.view_count,
    };
}
