/* SPDX-License-Identifier: MIT */
/**
 * app_view: what the routes of the admin socket and of metrics show of the app and its server, at
 * one moment. They read; what they want changed goes through the actions.
 *
 * The view owns nothing. All pointers in it hold until the loop's next turn: a handler that waits
 * for the store takes a new view afterwards.
 */
#ifndef VISITCOUNTD_HTTP_APP_VIEW_H
#define VISITCOUNTD_HTTP_APP_VIEW_H

#include "config/config.h"
#include "count/adoption.h"
#include "count/engine.h"
#include "http/request/app.h"
#include "http/server/server.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct trouble;

struct app_view {
    const struct config *config; /* the one in force, after reloads */
    struct loop *loop;
    struct engine *engine;
    struct store *store;
    const struct adoptions *adoptions;
    const struct app_actions *actions;
    const char *default_site; /* the one of /count: sites_default() */

    uint64_t started_at_ms; /* loop time of the daemon's start */
    bool is_draining;
    bool visitors_are_told_apart;
    const struct trouble *salt_trouble; /* of the question for the day's salt */
    const struct trouble *site_trouble; /* whether a site that is not listed may be counted */
    uint64_t live_clients;              /* that listen to live numbers */

    struct server_counts server;
};

/** Fills `ret_view` with the facts of this moment. Cheap: copies a few words, asks nobody. */
void app_view(const struct app *app, struct app_view *ret_view);

#endif
