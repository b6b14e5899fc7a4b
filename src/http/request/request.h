/* SPDX-License-Identifier: MIT */
/**
 * request: one request of libh2o on its way through the routes, and what its client said: headers
 * and query parameters.
 */
#ifndef VISITCOUNTD_HTTP_REQUEST_H
#define VISITCOUNTD_HTTP_REQUEST_H

#include <h2o.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct period;
struct response_format;
struct route;
struct route_table;

enum {
    METHOD_GET = 1 << 0, /* HEAD as well: answered as GET without its body */
    METHOD_POST = 1 << 1,
    METHOD_PUT = 1 << 2,
    METHOD_DELETE = 1 << 3,
    /* not a method: the route counts visits, so refusals say that this one was not */
    ROUTE_COUNTS = 1 << 8
};

/**
 * One request on its way; lives in the request's pool, so until its answer was sent. libh2o does
 * not notice that an HTTP/1 client left before that.
 */
struct request {
    h2o_req_t *h2o;
    struct app *app;
    const struct route_table *table;
    const struct route *route;   /* NULL until one is found */
    unsigned method;             /* METHOD_GET for HEAD too; 0 for methods that no table has */
    bool is_head;                /* the answer's body is left away; nothing is counted */
    h2o_iovec_t rest;            /* of the path, behind the route's prefix; percent-encoded */
    h2o_iovec_t query;           /* behind "?", without it; empty when there is none */
    h2o_iovec_t visit_status;    /* sent as Visitcount-Status unless empty; static */
    h2o_iovec_t allow_origin;    /* whose scripts may read the answer; empty: those of no other */
    bool varies_by_origin;       /* allow_origin depends on the request's Origin */
    uint64_t retry_after_s;      /* sent with errors, unless 0 */
    bool may_be_kept;            /* a number that was only read: an ETag in place of no-store */
    const struct period *period; /* of what time the number is to be; NULL: all */
    const char *period_text;     /* as the client wrote it */
    /* how its answers, also errors, are told; at first the route's; NULL: errors are JSON */
    const struct response_format *format;
    void *format_data; /* the format's own, in the request's pool */
};

/**
 * The path and query of a request target: "/path?query", or "http://host/path?query" (RFC 9112,
 * 3.2.2). A fragment, which has no business here, is left out. False for anything else.
 */
bool request_split_target(h2o_iovec_t target, h2o_iovec_t *ret_path, h2o_iovec_t *ret_query);

/** The value of a request header by its token, or an empty iovec (whose base is not NULL). */
h2o_iovec_t request_header(const struct request *request, const h2o_token_t *token);

/** The same by its lower-case name, for headers that libh2o has no token for. */
h2o_iovec_t request_header_named(const struct request *request, const char *name);

/**
 * The first value of a query parameter, percent-decoded ("+" is a space) into the request's pool,
 * NUL-terminated. Returns false when it is absent; an empty value is present. Broken encodings are
 * kept as they are.
 */
bool request_parameter(const struct request *request, const char *name, h2o_iovec_t *ret_value);

/** The value of `name` in a query, as request_parameter(), into `pool`. */
bool request_find_parameter(h2o_mem_pool_t *pool, h2o_iovec_t query, const char *name,
                            h2o_iovec_t *ret_value);

#endif
