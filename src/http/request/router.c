/* SPDX-License-Identifier: MIT */
#include "http/request/router.h"

#include "http/request/app.h"
#include "http/request/response.h"

#include <string.h>

/* Routes */

static bool route_matches(const struct route *route, h2o_iovec_t path)
{
    size_t length = route->path_length;
    bool is_prefix = length > 1 && route->path[length - 1] == '/';

    return (is_prefix ? path.len >= length : path.len == length) &&
           memcmp(path.base, route->path, length) == 0;
}

const struct route *router_find(const struct route_table *table, h2o_iovec_t path, unsigned methods)
{
    const struct route *other = NULL;

    for (size_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];

        if (route_matches(route, path)) {
            if ((route->methods & methods) != 0) {
                return route;
            }
            other = route;
        }
    }
    return other;
}

/** Sets the request's method. */
static void parse_method(struct request *request)
{
    static const struct {
        h2o_iovec_t name;
        unsigned method;
        bool is_head;
    } methods[] = {
        {{H2O_STRLIT("GET")}, METHOD_GET, false},       {{H2O_STRLIT("POST")}, METHOD_POST, false},
        {{H2O_STRLIT("HEAD")}, METHOD_GET, true},       {{H2O_STRLIT("PUT")}, METHOD_PUT, false},
        {{H2O_STRLIT("DELETE")}, METHOD_DELETE, false},
    };
    h2o_iovec_t name = request->h2o->method;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (h2o_memis(name.base, name.len, methods[i].name.base, methods[i].name.len)) {
            request->method = methods[i].method;
            request->is_head = methods[i].is_head;
            return;
        }
    }
}

/** Returns the value of Allow for a path, in the request's pool. */
static h2o_iovec_t allowed_methods(const struct request *request, h2o_iovec_t path)
{
    static const struct {
        unsigned method;
        const char *text;
    } texts[] = {
        {METHOD_GET, "GET, HEAD, "},
        {METHOD_POST, "POST, "},
        {METHOD_PUT, "PUT, "},
        {METHOD_DELETE, "DELETE, "},
    };
    char allow[64];
    unsigned methods = 0;

    for (size_t i = 0; i < request->table->count; i++) {
        if (route_matches(&request->table->routes[i], path)) {
            methods |= request->table->routes[i].methods;
        }
    }
    allow[0] = '\0';
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if ((methods & texts[i].method) != 0) {
            strcat(allow, texts[i].text);
        }
    }
    strcat(allow, "OPTIONS");
    return h2o_strdup(&request->h2o->pool, allow, SIZE_MAX);
}

static void respond_options(struct request *request, h2o_iovec_t allow)
{
    const struct response_header headers[] = {
        {H2O_TOKEN_ALLOW, NULL, allow},
        {NULL, "access-control-allow-methods", allow},
        {NULL, "access-control-allow-headers", {H2O_STRLIT("content-type, idempotency-key")}},
        {NULL, "access-control-max-age", {H2O_STRLIT("86400")}},
    };

    if (request->route != NULL && (request->route->methods & ROUTE_COUNTS) != 0) {
        request->outcome = OUTCOME_OPTIONS;
    }
    response_send(request, &(struct response){
                               .status = 204,
                               .headers = headers,
                               .header_count = request->table->is_public ? 4 : 1,
                           });
}

static void respond_not_allowed(struct request *request, h2o_iovec_t allow, const char *format, ...)
{
    const struct response_header header = {H2O_TOKEN_ALLOW, NULL, allow};
    va_list arguments;

    if ((request->route->methods & ROUTE_COUNTS) != 0) {
        request->outcome = OUTCOME_METHOD;
    }
    va_start(arguments, format);
    response_send_verror_with(request, 405, &header, "method_not_allowed", format, arguments);
    va_end(arguments);
}

/** Answers a request whose target is not a path. */
static void dispatch_pathless(struct request *request, bool is_options)
{
    h2o_iovec_t target = request->h2o->path;

    if (is_options && h2o_memis(target.base, target.len, H2O_STRLIT("*"))) {
        respond_options(request, h2o_iovec_init(H2O_STRLIT("GET, HEAD, POST, OPTIONS")));
    } else {
        response_send_error(request, 400, "bad_target", "the request target is not a path");
    }
}

void router_on_request(void *router_data, h2o_req_t *req)
{
    const struct router *router = router_data;
    const struct route_table *table = router->table;
    struct request *request = h2o_mem_alloc_pool(&req->pool, sizeof(*request));
    bool is_options = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"));
    h2o_iovec_t path;

    *request = (struct request){.h2o = req,
                                .app = router->app,
                                .table = table,
                                .is_private = !table->is_public,
                                .is_operator = !table->is_public};
    if (table->is_public) {
        request->allow_origin = h2o_iovec_init(H2O_STRLIT("*"));
    }
    parse_method(request);
    if (!request_split_target(req->path, &path, &request->query)) {
        dispatch_pathless(request, is_options);
        return;
    }
    request->route = router_find(table, path, request->method);
    if (request->route == NULL) {
        response_send_error(request, 404, "not_found", "there is nothing at this path");
        return;
    }
    request->format = request->route->format;
    request->rest = h2o_iovec_init(path.base + request->route->path_length,
                                   path.len - request->route->path_length);
    if (is_options) {
        if (table->on_options != NULL) {
            table->on_options(request);
        }
        respond_options(request, allowed_methods(request, path));
    } else if ((request->route->methods & request->method) == 0) {
        h2o_iovec_t allow = allowed_methods(request, path);

        respond_not_allowed(request, allow, "this path takes %.*s", (int)allow.len, allow.base);
    } else {
        request->route->handle(request);
    }
}
