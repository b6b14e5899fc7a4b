/* SPDX-License-Identifier: MIT */
/**
 * route: from a request to the function that answers it, by one table per kind of listener, and the
 * ways to answer. What a table does not know is answered here: 404, 405 with Allow, OPTIONS, and
 * 400 for a target that is not a path.
 */
#ifndef VISITCOUNTD_HTTP_ROUTE_H
#define VISITCOUNTD_HTTP_ROUTE_H

#include "base/buf.h"

#include <h2o.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct format;
struct period;
struct site_rules;
struct app;

enum {
    METHOD_GET = 1 << 0, /* HEAD as well: answered as GET without its body */
    METHOD_POST = 1 << 1,
    METHOD_PUT = 1 << 2,
    METHOD_DELETE = 1 << 3,
    /* not a method: the route counts visits, so refusals say that this one was not */
    ROUTE_COUNTS = 1 << 8
};

struct route;

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
    const struct format *format;
    void *format_data; /* the format's own, in the request's pool */
};

/** A row of a table. Rows of one path with different methods are allowed. */
struct route {
    unsigned methods; /* METHOD_* that `handle` takes, ROUTE_COUNTS */
    const char *path; /* the whole path, or, ending in "/", a prefix ("/" alone is a whole path) */
    size_t path_length;
    void (*handle)(struct request *request);
    const struct format *format; /* the request's, to begin with; may be left out */
};

struct route_table {
    const struct route *routes;
    size_t count;
    bool is_public; /* CORS headers and OPTIONS for scripts of other origins */
};

/**
 * The path and query of a request target: "/path?query", or "http://host/path?query" (RFC 9112,
 * 3.2.2). A fragment, which has no business here, is left out. False for anything else.
 */
bool route_split_target(h2o_iovec_t target, h2o_iovec_t *ret_path, h2o_iovec_t *ret_query);

/** The row whose path matches, and that takes one of `methods` if there is one; or NULL. */
const struct route *route_find(const struct route_table *table, h2o_iovec_t path, unsigned methods);

/** The value of `name` in a query, as request_parameter(), into `pool`. */
bool route_find_parameter(h2o_mem_pool_t *pool, h2o_iovec_t query, const char *name,
                          h2o_iovec_t *ret_value);

/** Finds the route of a request of libh2o and calls its handler, or answers the error. */
void route_dispatch(const struct route_table *table, struct app *app, h2o_req_t *req);

/** A header beyond those that respond() sets itself. */
struct response_header {
    const h2o_token_t *token; /* or NULL: then `name`, in lower case */
    const char *name;
    h2o_iovec_t value; /* static, or in the request's pool */
};

/**
 * An answer; `body` is static or in the request's pool. To a HEAD, `body` is what a GET would get;
 * without one there is no Content-Length.
 */
struct response {
    int status;
    const char *content_type;
    h2o_iovec_t body;
    const struct response_header *headers;
    size_t header_count;
    const char *cache_control; /* NULL: no-store, max-age=0 */
};

/**
 * Sends the answer and ends the request. Sets Content-Type, Content-Length, Cache-Control,
 * X-Content-Type-Options and, on public tables, CORS; `Connection: close`
 * while the server drains.
 */
void respond(struct request *request, const struct response *response);

/**
 * Begins an answer of unknown length: sends its headers; the rest is sent by h2o_send() for
 * `generator`, in the request's pool.
 */
void respond_stream(struct request *request, const struct response *response,
                    h2o_generator_t *generator);

/** Sends a copy of `body`. */
void respond_buf(struct request *request, int status, const char *content_type,
                 const struct buf *body);

/**
 * Sends {"error":{"code","message"}}, or what the request's format makes of it; `code` is a word
 * for programs ("bad_path"), `format` makes the line for people. 503 and 504 carry Retry-After: 1,
 * unless request->retry_after_s says otherwise.
 */
void respond_error(struct request *request, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void respond_verror(struct request *request, int status, const char *code, const char *format,
                    va_list arguments) __attribute__((format(printf, 4, 0)));

/**
 * Notes that the answer is about a site: for one with origins, only scripts from these may read it.
 */
void request_use_site(struct request *request, const struct site_rules *rules);

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

#endif
