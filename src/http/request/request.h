/* SPDX-License-Identifier: MIT */
/**
 * request: one HTTP request on its way through the routes, and access to its headers and query
 * parameters.
 */
#ifndef VISITCOUNTD_HTTP_REQUEST_H
#define VISITCOUNTD_HTTP_REQUEST_H

#include "http/request/visit_outcome.h"

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
    METHOD_GET = 1 << 0, /* also HEAD, which is answered without a body */
    METHOD_POST = 1 << 1,
    METHOD_PUT = 1 << 2,
    METHOD_DELETE = 1 << 3,
    /* not a method: the route counts visits, so a refusal says that the visit was not counted */
    ROUTE_COUNTS = 1 << 8
};

/** What became of the password that a request sent, see password_guard.h. */
enum password_state {
    PASSWORD_NEW,     /* it was not looked at yet */
    PASSWORD_WAITED,  /* it waited for its turn and may be looked at */
    PASSWORD_REJECTED /* it was wrong, and the answer has been delayed */
};

/**
 * A request. It lives in libh2o's pool for the request, until its answer was sent. libh2o does not
 * notice earlier that an HTTP/1 client left.
 */
struct request {
    h2o_req_t *h2o;
    struct app *app;
    const struct route_table *table;
    const struct route *route;  /* NULL until one is found */
    unsigned method;            /* METHOD_GET also for HEAD; 0 for methods in no table */
    bool is_head;               /* the answer has no body; nothing is counted */
    h2o_iovec_t rest;           /* the path after the route's prefix; percent-encoded */
    h2o_iovec_t query;          /* after "?"; empty without one */
    enum visit_outcome outcome; /* sent as Visitcount-Status */
    uint64_t replicas;          /* that have confirmed the visit */
    uint64_t replicas_wanted;   /* of this many; the status tells both if it is more */
    h2o_iovec_t allow_origin;   /* foreign origin that may read the answer (CORS); empty: none */
    bool varies_by_origin;      /* allow_origin depends on the request's Origin */
    bool is_operator;           /* it came by the admin socket or for metrics */
    bool is_script;             /* the answer is a script (JSONP): any page can run it */
    bool is_private;            /* the answer is for this client only; no other page may embed it */
    enum password_state password_state;
    uint64_t retry_after_s;      /* Retry-After of errors; 0: the default */
    bool may_be_kept;            /* a read-only number: the answer gets an ETag and not no-store */
    const struct period *period; /* the time span of the number; NULL: all time */
    const char *period_text;     /* as the client wrote it */
    /* the format of answers and errors; initially the route's; NULL: errors are JSON */
    const struct response_format *format;
    void *format_data; /* private to the format, in the request's pool */
};

/**
 * Splits a request target into path and query: "/path?query" or "http://host/path?query" (RFC 9112,
 * 3.2.2). Drops a fragment, which is not allowed here. Returns false for anything else.
 */
bool request_split_target(h2o_iovec_t target, h2o_iovec_t *ret_path, h2o_iovec_t *ret_query);

/**
 * Returns the value of a request header by its token. A missing header is empty with a base that is
 * not NULL.
 */
h2o_iovec_t request_header(const struct request *request, const h2o_token_t *token);

/** Like request_header(), by the lower-case name, for headers without a token in libh2o. */
h2o_iovec_t request_header_named(const struct request *request, const char *name);

/**
 * Finds the first value of a query parameter and percent-decodes it ("+" is a space). The value is
 * in the request's pool and NUL-terminated. Invalid encodings stay unchanged. Returns false if the
 * parameter is absent; an empty value is present.
 */
bool request_parameter(const struct request *request, const char *name, h2o_iovec_t *ret_value);

/** Like request_parameter(), for any `query`; allocates from `pool`. */
bool request_find_parameter(h2o_mem_pool_t *pool, h2o_iovec_t query, const char *name,
                            h2o_iovec_t *ret_value);

#endif
