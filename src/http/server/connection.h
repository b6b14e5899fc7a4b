/* SPDX-License-Identifier: MIT */
/**
 * connection: the list of open connections. It adds what libh2o lacks: reliable deadlines, closing
 * idle connections while the server drains, and closing the rest at shutdown.
 *
 * libh2o's deadlines use the wall clock and do not cover answers. Ours use the monotonic clock.
 * `patience_ms` limits three things: how long a connection is idle, how long a request takes to
 * arrive, and how long a client takes for each part of its answer. A sweep checks all connections
 * once a second, or four times in `patience_ms` if that is shorter. Thus a request costs nothing,
 * and a deadline may be late by one sweep.
 *
 * A connection belongs to libh2o. Our record of it is freed when libh2o closes the socket.
 */
#ifndef VISITCOUNTD_HTTP_CONNECTION_H
#define VISITCOUNTD_HTTP_CONNECTION_H

#include "base/list.h"
#include "http/server/listener_kind.h"
#include "loop/loop.h"

#include <h2o.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connections {
    struct loop *loop;
    struct list all;
    size_t open[LISTENER_KINDS];
    uint64_t accepted[LISTENER_KINDS];
    uint64_t patience_ms;
    struct loop_timer sweep;
    /** Called after a connection was closed and subtracted from `open`. */
    void (*on_close)(void *data, enum listener_kind kind);
    void *data;
};

/**
 * Initialises an empty list. `patience_ms` is the deadline of each step, see above. The caller sets
 * `on_close` afterwards.
 */
void connections_init(struct connections *connections, struct loop *loop, uint64_t patience_ms);

/** Stops the sweep. All connections must be closed. */
void connections_finish(struct connections *connections);

/** Adds a socket that was just accepted. Call it before libh2o reads from the socket. */
void connections_add(struct connections *connections, h2o_socket_t *socket,
                     enum listener_kind kind);

/**
 * Ends the oldest connection of `kind` that waits for a request, so that another one can be
 * accepted. If there is none, ends the oldest one that has sent part of a request. Input that the
 * kernel has received is still answered.
 */
void connections_make_room(struct connections *connections, enum listener_kind kind);

/**
 * Shuts down the reading side of the connections of `kind` that wait for their next request. With
 * `even_in_request` it does so too for connections that have sent part of a request. libh2o still
 * answers the input that the kernel has received so far. It closes the connection at the end of the
 * input.
 */
void connections_end_input(struct connections *connections, enum listener_kind kind,
                           bool even_in_request);

/**
 * Closes all connections in a few turns of the loop. Unanswered requests get a 503 first. Do not
 * call it from inside the loop.
 */
void connections_close_all(struct connections *connections, h2o_context_t *context);

/** The peer of a connection. */
struct connection_peer {
    bool is_known;
    bool is_local;           /* on a unix socket, without an address */
    struct in6_addr address; /* IPv4 as mapped IPv6 */
};

/** Returns the peer of a request's connection. */
const struct connection_peer *connection_peer(const h2o_req_t *req);

/**
 * Mark the start and end of a request's wait for the store. libh2o stops reading during a request.
 * If the answer does not come in the same turn, that takes two calls of epoll_ctl(2), a tenth of
 * the cost of a visit. These functions avoid both calls: the descriptor stays in epoll, and no
 * input is read.
 */
void connection_begin_wait(h2o_req_t *req);
void connection_end_wait(h2o_req_t *req);

/**
 * Mark the start and end of an answer that streams until the client leaves. In between, input from
 * the client is discarded. `on_end` is called when the client closes its side.
 */
void connection_begin_stream(h2o_req_t *req, void (*on_end)(void *data), void *data);
void connection_end_stream(h2o_req_t *req);

/**
 * Makes a connection linger after libh2o closes it. Further input is discarded until the client
 * closes, or for two seconds. Without it the kernel would reply to unread input with a reset, which
 * can overtake the answer.
 */
void connection_linger(h2o_socket_t *socket);

/**
 * Returns why the head of an HTTP/1 request is refused, or NULL if it is accepted. libh2o accepts
 * heads on which two servers may disagree about where a request ends or whom it is for (request
 * smuggling, RFC 9112, 11.2). Refused are a
 * line that ends without CR, a header that continues on the next line, a Content-Length that is not
 * alone, two of Transfer-Encoding or Host, and no Host in HTTP/1.1.
 */
const char *connection_find_fault(const h2o_req_t *req);

#endif
