/* SPDX-License-Identifier: MIT */
/**
 * router: finds the handler of a request in a table; each kind of listener has its own. It answers
 * the rest itself: 404, 405 with Allow, OPTIONS, and 400 for a target that is not a path.
 */
#ifndef VISITCOUNTD_HTTP_ROUTER_H
#define VISITCOUNTD_HTTP_ROUTER_H

#include "http/request/request.h"

#include <h2o.h>

#include <stdbool.h>
#include <stddef.h>

struct app;
struct response_format;

/** A row of a table. A path may have several rows with different methods. */
struct route {
    unsigned methods; /* METHOD_* of `handle`, and ROUTE_COUNTS */
    const char *path; /* a whole path, or a prefix ending in "/" ("/" alone is a whole path) */
    size_t path_length;
    void (*handle)(struct request *request);
    const struct response_format *format; /* initial format of the request; optional */
};

struct route_table {
    const struct route *routes;
    size_t count;
    bool is_public; /* CORS headers and OPTIONS for scripts of other origins */
    /** Called before OPTIONS is answered; sets the origin that may ask. NULL: any origin may. */
    void (*on_options)(struct request *request);
};

/** Returns a row with this path, or NULL. Prefers a row that takes one of `methods`. */
const struct route *router_find(const struct route_table *table, h2o_iovec_t path,
                                unsigned methods);

/** The table of one kind of listener, and what its handlers work with. */
struct router {
    struct app *app;
    const struct route_table *table;
};

/**
 * Finds the route of a request and calls its handler, or answers the error. `router` is a struct
 * router: this is a server_handler.
 */
void router_on_request(void *router, h2o_req_t *req);

#endif
