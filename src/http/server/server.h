/* SPDX-License-Identifier: MIT */
/**
 * server: runs libh2o on our listeners. There are three kinds: visitors (http.listen, or sockets
 * inherited from systemd), the admin socket, and metrics. Each kind has its own host table, so a
 * request on one kind cannot reach the routes of another. The server knows nothing of the routes.
 *
 * The server owns its sockets and connections.
 */
#ifndef VISITCOUNTD_HTTP_SERVER_H
#define VISITCOUNTD_HTTP_SERVER_H

#include "base/buf.h"
#include "config/config.h"
#include "http/server/listener_kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct server;
struct st_h2o_req_t;

/** The handler of the requests of one kind of listener. */
struct server_handler {
    /** Called once for each request; answers it now or later. */
    void (*on_request)(void *data, struct st_h2o_req_t *req);
    void *data;
    bool is_public; /* scripts of other origins may read errors (CORS) */
};

struct server_options {
    struct loop *loop;
    const struct config *config; /* only read by server_create() */
    struct server_handler handlers[LISTENER_KINDS];
    const int *inherited; /* listening sockets for visitors; the server takes ownership */
    size_t inherited_count;
};

/**
 * Creates a server that listens. Returns NULL after appending one line per failure to `errors`
 * ("http.listen 127.0.0.1:8080: address already in use"). If a living process serves a unix socket,
 * that socket is a failure. A stale one is replaced.
 */
struct server *server_create(const struct server_options *options, struct buf *errors);

/**
 * Starts to drain. New visitors' connections are accepted only if they already wait in the kernel.
 * Idle connections are closed after a short grace period, in which busy connections end with their
 * answer. Connections with half a request are closed a little later. `on_drained` runs once in the
 * loop, when the last visitor's connection is closed. Admin and metrics stay available.
 */
void server_drain(struct server *server, void (*on_drained)(void *data), void *data);

/** Whether server_drain() was called. */
bool server_is_draining(const struct server *server);

/**
 * Closes all connections and frees the server. Visits are answered; other requests get a 503. It
 * runs turns of the loop, so do not call it from inside the loop. NULL is allowed.
 */
void server_destroy(struct server *server);

/** Numbers for status. `listeners` is valid until the loop's next turn. */
struct server_counts {
    /* for visitors' listeners only, so requests to the admin socket do not change them */
    uint64_t open_connections;     /* now */
    uint64_t accepted_connections; /* since the start */
    uint64_t requests;             /* since the start, with any status */

    const struct listener_view *listeners; /* ordered: visitors, admin, metrics */
    size_t listener_count;
};

/** Fills `ret_counts`. */
void server_count(const struct server *server, struct server_counts *ret_counts);

#endif
