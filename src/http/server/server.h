/* SPDX-License-Identifier: MIT */
/**
 * server: libh2o with our listeners. Three kinds of them, each with a host table of its own, so
 * that a request on one can never reach the routes of another: visitors (http.listen, or sockets
 * inherited from systemd), the admin socket, and metrics. It knows nothing of what is served.
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

/** Who answers the requests of one kind of listeners. */
struct server_handler {
    /** Called once for each request; answers it now or later. */
    void (*on_request)(void *data, struct st_h2o_req_t *req);
    void *data;
    bool is_public; /* scripts of other origins may read errors (CORS) */
};

struct server_options {
    struct loop *loop;
    const struct config *config; /* read by server_create() only */
    struct server_handler handlers[LISTENER_KINDS];
    const int *inherited; /* listening sockets for visitors; the server owns them from here on */
    size_t inherited_count;
};

/**
 * A new server that listens. Returns NULL after appending one line per failure to `errors`
 * ("http.listen 127.0.0.1:8080: address already in use"). A unix socket that a living process
 * serves is refused by name; a stale one is replaced.
 */
struct server *server_create(const struct server_options *options, struct buf *errors);

/**
 * Starts to drain: no new connections of visitors are taken beyond those that the kernel already
 * has for us, and after a short grace, in which busy connections end with an answer, idle ones are
 * closed, a little later also those with half a request. `on_drained` runs in the loop, once, when
 * the last visitor's connection is gone. Admin and metrics go on being answered.
 */
void server_drain(struct server *server, void (*on_drained)(void *data), void *data);

/** Whether server_drain() was called. */
bool server_is_draining(const struct server *server);

/**
 * Closes everything and frees the server; visits are answered, other requests get a 503. Runs turns
 * of the loop, so it is not called from inside it. NULL is allowed.
 */
void server_destroy(struct server *server);

/** Numbers for status. `listeners` hold until the loop's next turn. */
struct server_counts {
    /* visitors' listeners only: looking at the admin socket does not change them */
    uint64_t open_connections;     /* now */
    uint64_t accepted_connections; /* since the start */
    uint64_t requests;             /* since the start, whatever their answer */

    const struct listener_view *listeners; /* in the order: visitors, admin, metrics */
    size_t listener_count;
};

/** Fills `ret_counts`. */
void server_count(const struct server *server, struct server_counts *ret_counts);

#endif
