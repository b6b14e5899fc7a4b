/* SPDX-License-Identifier: MIT */
/**
 * app: creates and destroys `struct app` (http/app.h), which the routes use, and its server.
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
    const struct journal_takeovers *takeovers;
    struct app_actions actions;
    const int *inherited; /* listening sockets for visitors; app_create() takes ownership */
    size_t inherited_count;
};

/**
 * Creates the app with a listening server. Loop, engine, store and takeovers must outlive it. The
 * configuration must live until app_configure(). On failure returns NULL and appends one line per
 * error to `errors`; see server_create().
 */
struct app *app_create(const struct app_options *options, struct buf *errors);

/** Switches to a new configuration after a reload. The caller may then free the old one. */
void app_configure(struct app *app, const struct config *config);

/**
 * Starts to drain. /readyz answers 503, each answer closes its connection, and live streams end.
 * Calls `on_drained` when no visitor's connection is left; see server_drain().
 */
void app_drain(struct app *app, void (*on_drained)(void *data), void *data);

/**
 * Closes all connections and frees the app. The engine has answered all visits before; other open
 * requests get a 503. Runs turns of the loop, so it must not be called inside one. NULL is allowed.
 */
void app_destroy(struct app *app);

#endif
