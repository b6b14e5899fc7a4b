/* SPDX-License-Identifier: MIT */
/**
 * router: finds the function that answers a request, by one table for each kind of listeners. What
 * a table does not know is answered here: 404, 405 with Allow, OPTIONS, and 400 for a target that
 * is not a path.
 */
#ifndef VISITCOUNTD_HTTP_ROUTER_H
#define VISITCOUNTD_HTTP_ROUTER_H

#include "http/request/request.h"

#include <h2o.h>

#include <stdbool.h>
#include <stddef.h>

struct response_format;

/** A row of a table. Rows of one path with different methods are allowed. */
struct route {
    unsigned methods; /* METHOD_* that `handle` takes, ROUTE_COUNTS */
    const char *path; /* the whole path, or, ending in "/", a prefix ("/" alone is a whole path) */
    size_t path_length;
    void (*handle)(struct request *request);
    const struct response_format *format; /* the request's, to begin with; may be left out */
};

struct route_table {
    const struct route *routes;
    size_t count;
    bool is_public; /* CORS headers and OPTIONS for scripts of other origins */
    /** Before OPTIONS is answered: notes whose scripts may ask. NULL: those of all. */
    void (*on_options)(struct request *request);
};

/** The row whose path matches, and that takes one of `methods` if there is one; or NULL. */
const struct route *router_find(const struct route_table *table, h2o_iovec_t path,
                                unsigned methods);

/** Finds the route of a request of libh2o and calls its handler, or answers the error. */
void router_dispatch(const struct route_table *table, struct app *app, h2o_req_t *req);

#endif
