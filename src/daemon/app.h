/* SPDX-License-Identifier: MIT */
/**
 * app: creates what the routes work with, and the server that they answer on; see http/app.h.
 */
#ifndef VISITCOUNTD_DAEMON_APP_H
#define VISITCOUNTD_DAEMON_APP_H

#include "base/buf.h"
#include "http/request/app.h"

#include <stddef.h>

struct app_options {
    struct loop *loop;
    const struct config *config;
    struct engine *engine;
    struct store *store;
    const struct adoptions *adoptions;
    struct app_actions actions;
    const int *inherited; /* listening sockets for visitors; the server owns them from here on */
    size_t inherited_count;
};

/**
 * Creates the app with a server that listens. Loop, engine, store and adoptions outlive it, and so
 * does the configuration until app_configure(). Returns NULL after appending one line per failure
 * to `errors`; see server_create().
 */
struct app *app_create(const struct app_options *options, struct buf *errors);

/** Takes over a new configuration after a reload. The old one may then be freed. */
void app_configure(struct app *app, const struct config *config);

/**
 * Starts to drain: /readyz answers 503, each answer closes its connection, live streams end; see
 * server_drain(), which calls `on_drained`.
 */
void app_drain(struct app *app, void (*on_drained)(void *data), void *data);

/**
 * Closes all connections and frees the app. Visits are answered, other requests get a 503. Runs
 * turns of the loop, so it is not called from inside it. NULL is allowed.
 */
void app_destroy(struct app *app);

#endif
