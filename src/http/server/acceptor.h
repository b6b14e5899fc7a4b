/* SPDX-License-Identifier: MIT */
/**
 * acceptor: accepts connections from the listeners and hands them to libh2o. It accepts a few per
 * turn of the loop and never more than the limit of open connections. It pauses for a moment when
 * the process runs out of file descriptors.
 *
 * Owns the listeners. Embedded in the server.
 */
#ifndef VISITCOUNTD_HTTP_ACCEPTOR_H
#define VISITCOUNTD_HTTP_ACCEPTOR_H

#include "base/list.h"
#include "http/server/connection.h"
#include "http/server/listener.h"
#include "http/server/listener_kind.h"
#include "loop/loop.h"

#include <h2o.h>

#include <stddef.h>
#include <stdint.h>

struct acceptor {
    struct loop *loop;
    struct connections *connections;
    h2o_accept_ctx_t *contexts[LISTENER_KINDS];
    size_t max_connections[LISTENER_KINDS];
    size_t reserve[LISTENER_KINDS]; /* the last places of max_connections, see acceptor_init() */
    struct list listeners;
    struct listener_view *views;
    size_t view_count;
    struct loop_timer rest; /* accepting pauses while it runs: no descriptors were left */
    uint64_t complained_at_ms;
};

/**
 * Initialises an acceptor without listeners. The caller sets `contexts`, `max_connections` and
 * `reserve` afterwards. A connection that takes a place of the reserve ends the oldest idle one of
 * its kind. Without a reserve, further connections wait until one is closed.
 */
void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct connections *connections);

/** Closes all listeners. */
void acceptor_finish(struct acceptor *acceptor);

/** Adds a listener and starts to accept from it in the loop. Takes ownership of the socket. */
void acceptor_add(struct acceptor *acceptor, enum listener_kind kind,
                  const struct listener_socket *socket);

/** Notifies the acceptor that a connection was closed, so it may accept another one. */
void acceptor_on_close(struct acceptor *acceptor);

/**
 * Closes the listeners of `kind`. First accepts the connections that wait in the queues of our own
 * listeners. The queue of an inherited listener stays with systemd.
 */
void acceptor_drain(struct acceptor *acceptor, enum listener_kind kind);

#endif
