/* SPDX-License-Identifier: MIT */
/**
 * connection: the list of open connections, for what libh2o does not do, or not well: deadlines,
 * closing idle connections while the server drains, and closing the rest at the end.
 *
 * libh2o's deadlines go by the wall clock and do not cover answers. Ours go by the monotonic clock.
 * A connection may be idle for `patience_ms`, a request may take as long, and a client has to take
 * a part of its answer in that time. All connections are looked at once a second, or four times in
 * `patience_ms`, so a request costs nothing and a deadline may come so much later.
 *
 * A connection belongs to libh2o and ends when it closes the socket; our record of it goes then.
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
    /** Called after one was closed and is no longer in `open`. */
    void (*on_close)(void *data, enum listener_kind kind);
    void *data;
};

/** Makes `connections` empty; `on_close` is set afterwards. */
void connections_init(struct connections *connections, struct loop *loop, uint64_t patience_ms);

/** Stops looking. All connections are closed. */
void connections_finish(struct connections *connections);

/** Adds a socket that was just accepted, before libh2o reads from it. */
void connections_add(struct connections *connections, h2o_socket_t *socket,
                     enum listener_kind kind);

/**
 * Ends the reading side of connections of `kind` that wait for a next request, and, if
 * `even_in_request`, of those of which a part of a request came. libh2o still answers what the
 * kernel has received by then, and closes the connection at the end of its input.
 */
void connections_end_input(struct connections *connections, enum listener_kind kind,
                           bool even_in_request);

/**
 * Closes all connections, those with an unanswered request after a 503, in a few turns of the loop.
 * Not called from inside the loop.
 */
void connections_close_all(struct connections *connections, h2o_context_t *context);

/** Who is at the other end. */
struct connection_peer {
    bool is_known;
    bool is_local;           /* on a unix socket, without an address */
    struct in6_addr address; /* IPv4 as mapped IPv6 */
};

/** The peer of a request's connection. */
const struct connection_peer *connection_peer(const h2o_req_t *req);

/**
 * Around the wait of a request for an answer of the store. libh2o stops reading during a request,
 * which for one that is not answered in the same turn costs two calls of epoll_ctl(2), a tenth of
 * what a visit costs. In between the descriptor stays with epoll, and nothing is read.
 */
void connection_begin_wait(h2o_req_t *req);
void connection_end_wait(h2o_req_t *req);

/**
 * Around an answer that goes on until the client leaves: what the client still sends is thrown
 * away, and when it closes its side, `on_end` is called.
 */
void connection_begin_stream(h2o_req_t *req, void (*on_end)(void *data), void *data);
void connection_end_stream(h2o_req_t *req);

/**
 * Makes a connection linger when libh2o closes it: further input is thrown away until the client
 * closes, or for two seconds. Otherwise the kernel would answer unread input with a reset, which
 * can overtake the answer.
 */
void connection_linger(h2o_socket_t *socket);

#endif
