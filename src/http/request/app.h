/* SPDX-License-Identifier: MIT */
/**
 * app: the context of all routes. The daemon creates it, and the router stores it in each request.
 *
 * Everything that it points to belongs to the daemon and outlives all requests, except `config` and
 * `sites`: a reload replaces both between two turns of the loop.
 */
#ifndef VISITCOUNTD_HTTP_APP_H
#define VISITCOUNTD_HTTP_APP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct visit_filter;
struct journal_takeovers;
struct config;
struct engine;
struct fullness;
struct live;
struct loop;
struct novelty;
struct password_guard;
struct server;
struct request;
struct site_registrations;
struct sites;
struct store;
struct visit_tallies;
struct visitors;

/** Actions of the daemon that the admin socket triggers. */
struct app_actions {
    void *data;
    /**
     * Reloads the configuration. Appends the changes to `message`, or the errors if it returns
     * false. Appends a line to `warnings` for each setting that is valid but dangerous.
     */
    bool (*reload)(void *data, struct buf *message, struct buf *warnings);
    /** Checks the configuration without applying it. Otherwise like `reload`. */
    bool (*check)(void *data, struct buf *message, struct buf *warnings);
    /** Starts to drain; the process ends afterwards. */
    void (*drain)(void *data);
    /**
     * Replays the journal in `directory`, see journal_takeover.h. Returns false after appending the
     * reasons.
     */
    bool (*replay)(void *data, const char *directory, struct buf *message);
};

struct app {
    struct loop *loop;
    struct store *store;
    struct engine *engine;
    struct server *server;
    const struct journal_takeovers *takeovers;
    struct app_actions actions;
    const struct config *config;
    struct sites *sites;
    struct visit_filter *visit_filter;
    struct novelty *novelty;
    struct fullness *fullness;
    struct password_guard *password_guard;
    struct visitors *visitors;
    struct visit_tallies *visit_tallies;
    /** Called for each answer that says that a visit is not counted; NULL: not called. */
    void (*on_uncounted)(struct request *request);
    struct site_registrations *site_registrations;
    struct live *live;
    struct buf scratch;     /* returned by app_scratch() */
    uint64_t started_at_ms; /* loop time */
    bool is_draining;       /* every answer closes its connection */
};

/**
 * Returns an empty buffer for rendering an answer. It is reused, which saves an allocation per
 * answer. The next call clears it.
 */
static inline struct buf *app_scratch(struct app *app)
{
    buf_clear(&app->scratch);
    return &app->scratch;
}

#endif
