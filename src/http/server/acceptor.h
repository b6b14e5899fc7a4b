/* SPDX-License-Identifier: MIT */
/**
 * acceptor: takes connections from the listeners and hands them to libh2o: a few per turn, no more
 * than may be open, and none for a moment when there are no descriptors left.
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
    struct list listeners;
    struct listener_view *views;
    size_t view_count;
    struct loop_timer rest; /* runs while there are no descriptors left */
    uint64_t complained_at_ms;
};

/** Makes `acceptor` empty; `contexts` and `max_connections` are set by the caller afterwards. */
void acceptor_init(struct acceptor *acceptor, struct loop *loop, struct connections *connections);

/** Closes all listeners. */
void acceptor_finish(struct acceptor *acceptor);

/** Adds a listener and begins to accept from it in the loop. Owns the socket. */
void acceptor_add(struct acceptor *acceptor, enum listener_kind kind,
                  const struct listener_socket *socket);

/** To be called when a connection was closed: there may be room again. */
void acceptor_on_close(struct acceptor *acceptor);

/**
 * Closes the listeners of `kind`. What clients have in the queues of those that are ours alone is
 * accepted first; the queue of an inherited one stays with systemd.
 */
void acceptor_drain(struct acceptor *acceptor, enum listener_kind kind);

#endif
