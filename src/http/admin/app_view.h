/* SPDX-License-Identifier: MIT */
/**
 * app_view: a read-only snapshot of the app and its server, for the routes of the admin socket and
 * of metrics. Routes that change something use `actions`.
 *
 * The view owns nothing. All its pointers are valid until the loop's next turn. A handler that
 * waits for the store takes a new view afterwards.
 */
#ifndef VISITCOUNTD_HTTP_APP_VIEW_H
#define VISITCOUNTD_HTTP_APP_VIEW_H

#include "config/config.h"
#include "count/journal_takeover.h"
#include "count/engine.h"
#include "http/request/app.h"
#include "http/server/server.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct fullness;
struct novelty_stats;
struct visit_tallies;
struct password_guard_stats;
struct trouble;

struct app_view {
    const struct config *config; /* the current one, after reloads */
    struct loop *loop;
    struct engine *engine;
    struct store *store;
    const struct journal_takeovers *takeovers;
    const struct app_actions *actions;
    const char *default_site; /* the site of /count: sites_default() */

    uint64_t started_at_ms; /* loop time of the daemon's start */
    bool is_draining;
    bool visitors_are_told_apart;
    const struct trouble *salt_trouble; /* the store refuses the day's salt */
    const struct trouble *site_trouble; /* the store refuses to admit unlisted sites */
    uint64_t live_clients;              /* clients of live streams */
    const struct novelty_stats *novelty;
    const struct visit_tallies *visit_tallies; /* what was not counted */
    const struct password_guard_stats *passwords;
    const struct fullness *fullness;

    struct server_counts server;
};

/** Fills `ret_view`. Cheap: it copies a few words and makes no call to the store. */
void app_view(const struct app *app, struct app_view *ret_view);

#endif
