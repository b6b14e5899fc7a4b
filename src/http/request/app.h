/* SPDX-License-Identifier: MIT */
/**
 * app: what the routes work with. The daemon creates it, and the router puts it into each request.
 *
 * Everything that it points to belongs to the daemon and outlives all requests, except `config` and
 * `sites`: a reload replaces both between two turns of the loop.
 */
#ifndef VISITCOUNTD_HTTP_APP_H
#define VISITCOUNTD_HTTP_APP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct admission;
struct adoptions;
struct config;
struct engine;
struct live;
struct loop;
struct server;
struct site_admits;
struct sites;
struct store;
struct visitors;

/** What the admin socket asks the daemon to do. */
struct app_actions {
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

struct app {
    struct loop *loop;
    struct store *store;
    struct engine *engine;
    struct server *server;
    const struct adoptions *adoptions;
    struct app_actions actions;
    const struct config *config;
    struct sites *sites;
    struct admission *admission;
    struct visitors *visitors;
    struct site_admits *site_admits;
    struct live *live;
    struct buf scratch;     /* of app_scratch() */
    uint64_t started_at_ms; /* loop time */
    bool is_draining;       /* each answer closes its connection */
};

/** An empty buffer to render an answer in, so that it need not be allocated each time. */
static inline struct buf *app_scratch(struct app *app)
{
    buf_clear(&app->scratch);
    return &app->scratch;
}

#endif
