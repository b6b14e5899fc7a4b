/* SPDX-License-Identifier: MIT */
/**
 * server: libh2o with our listeners. Three kinds of them, each with a host table of its own, so
 * that a request on one can never reach the routes of another: visitors (http.listen, or sockets
 * inherited from systemd), the admin socket, and metrics.
 *
 * The server owns its sockets and connections. Config, engine, store and adoptions outlive it.
 */
#ifndef VISITCOUNTD_HTTP_SERVER_H
#define VISITCOUNTD_HTTP_SERVER_H

#include "base/buf.h"
#include "config/config.h"
#include "count/adoption.h"
#include "count/engine.h"
#include "http/sites.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct admission;
struct live;
struct server;
struct site_admits;
struct visitors;

/** What the admin socket asks the daemon to do. */
struct server_actions {
    void *data;
    /** Loads the configuration again; appends errors, or what changed; false when refused. */
    bool (*reload)(void *data, struct buf *message);
    /** Checks the configuration without taking it over; as reload. */
    bool (*check)(void *data, struct buf *message);
    /** Starts to drain and then ends the process. */
    void (*drain)(void *data);
    /** Replays the journal in a directory, see adoption.h; false with the reasons appended. */
    bool (*replay)(void *data, const char *directory, struct buf *message);
};

struct server_options {
    struct loop *loop;
    const struct config *config;
    struct engine *engine;
    struct store *store;
    const struct adoptions *adoptions; /* for status */
    struct server_actions actions;
    const int *inherited; /* listening sockets for visitors; the server owns them from here on */
    size_t inherited_count;
};

/**
 * A new server that listens. Returns NULL after appending one line per failure to `errors`
 * ("http.listen 127.0.0.1:8080: address already in use"). A unix socket that a living process
 * serves is refused by name; a stale one is replaced.
 */
struct server *server_create(const struct server_options *options, struct buf *errors);

/** Takes over a new configuration after a reload; the old one may then be freed. */
void server_configure(struct server *server, const struct config *config);

/**
 * Starts to drain: /readyz answers 503, no new connections of visitors are taken beyond those that
 * the kernel already has for us, each answer closes its connection, and after a short grace, in
 * which busy connections end with such an answer, idle ones are closed, a little later also those
 * with half a request. `on_drained` runs in the loop, once, when the last visitor's connection is
 * gone. Admin and metrics go on being answered.
 */
void server_drain(struct server *server, void (*on_drained)(void *data), void *data);

/** Whether server_drain() was called. */
bool server_is_draining(const struct server *server);

/**
 * Closes everything and frees the server; visits are answered, other requests get a 503. Runs turns
 * of the loop, so it is not called from inside it. NULL is allowed.
 */
void server_destroy(struct server *server);

/** For the routes: what they work with. The config and the sites change with server_configure(). */
const struct config *server_config(const struct server *server);
struct sites *server_sites(const struct server *server);
struct admission *server_admission(struct server *server);
struct visitors *server_visitors(const struct server *server);
struct live *server_live(const struct server *server);
struct site_admits *server_site_admits(const struct server *server);
struct loop *server_loop(const struct server *server);
struct engine *server_engine(const struct server *server);
struct store *server_store(const struct server *server);

/** An empty buffer to render an answer in, so that it need not be allocated each time. */
struct buf *server_scratch(struct server *server);

#endif
