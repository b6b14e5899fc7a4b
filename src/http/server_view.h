/* SPDX-License-Identifier: MIT */
/**
 * server_view: what the routes of the admin socket and of metrics may know of the server, at one
 * moment. They read; what they want changed goes through the actions.
 *
 * The view owns nothing. All pointers in it are the server's or live longer than it, and hold until
 * the loop's next turn: a handler that waits for the store takes a new view afterwards.
 */
#ifndef VISITCOUNTD_HTTP_SERVER_VIEW_H
#define VISITCOUNTD_HTTP_SERVER_VIEW_H

#include "base/units.h"
#include "http/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Who is expected behind a listener: each kind has a host table of its own. */
enum listener_kind {
    LISTENER_VISITORS, /* http.listen, or inherited */
    LISTENER_ADMIN,    /* admin.socket */
    LISTENER_METRICS   /* metrics.listen */
};

/** One listening socket. */
struct listener_view {
    enum listener_kind kind;
    /** As bound: with the real port where 0 was asked for, the wildcard as 0.0.0.0 or [::]. */
    struct address address;
    bool is_inherited; /* handed over by systemd */
};

struct server_view {
    const struct config *config; /* the one in force, after reloads */
    struct loop *loop;
    struct engine *engine;
    struct store *store;
    const struct adoptions *adoptions;
    const struct server_actions *actions;
    const char *default_site; /* the one of /count: sites_default() */

    uint64_t started_at_ms; /* loop time of server_create() */
    bool is_draining;       /* as server_is_draining() */
    bool visitors_are_told_apart;
    const struct trouble *salt_trouble; /* of the question for the day's salt */
    const struct trouble *site_trouble; /* whether a site that is not listed may be counted */

    /* visitors' listeners only: looking at the admin socket does not change them */
    uint64_t open_connections;     /* now */
    uint64_t accepted_connections; /* since the start */
    uint64_t live_clients;         /* of the open ones: those that listen to live numbers */
    uint64_t requests;             /* since the start, whatever their answer */

    const struct listener_view *listeners; /* in the order: visitors, admin, metrics */
    size_t listener_count;
};

/** Fills `ret_view` with the facts of this moment. Cheap: copies a few words, asks nobody. */
void server_view(const struct server *server, struct server_view *ret_view);

#endif
