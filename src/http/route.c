/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include "http/app.h"
#include "http/format.h"
#include "http/render.h"
#include "http/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Answers */

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {401, "Unauthorized"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
    };

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Unknown"; /* clients look at the number only */
}

static void add_header(h2o_headers_t *headers, const h2o_iovec_t *name, h2o_iovec_t value)
{
    headers->entries[headers->size++] = (h2o_header_t){(h2o_iovec_t *)name, NULL, value};
}

/** Fills in the headers of an answer. All names and values stay where they are. */
static void set_headers(struct request *request, const struct response *response)
{
    static const h2o_iovec_t nosniff = {H2O_STRLIT("x-content-type-options")};
    static const h2o_iovec_t visit_status = {H2O_STRLIT("visitcount-status")};
    static const h2o_iovec_t expose = {H2O_STRLIT("access-control-expose-headers")};
    h2o_mem_pool_t *pool = &request->h2o->pool;
    h2o_headers_t *headers = &request->h2o->res.headers;
    const char *cache_control = response->cache_control;

    h2o_vector_reserve(pool, headers, response->header_count + 7);
    if (response->content_type != NULL) {
        add_header(headers, &H2O_TOKEN_CONTENT_TYPE->buf,
                   h2o_iovec_init(response->content_type, strlen(response->content_type)));
    }
    add_header(headers, &H2O_TOKEN_CACHE_CONTROL->buf,
               cache_control != NULL ? h2o_iovec_init(cache_control, strlen(cache_control))
                                     : h2o_iovec_init(H2O_STRLIT("no-store, max-age=0")));
    add_header(headers, &nosniff, h2o_iovec_init(H2O_STRLIT("nosniff")));
    if (request->allow_origin.len != 0) {
        add_header(headers, &H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN->buf, request->allow_origin);
        add_header(headers, &expose, h2o_iovec_init(H2O_STRLIT("visitcount-status, retry-after")));
    }
    if (request->varies_by_origin) {
        add_header(headers, &H2O_TOKEN_VARY->buf, h2o_iovec_init(H2O_STRLIT("origin")));
    }
    if (request->visit_status.len != 0) {
        add_header(headers, &visit_status, request->visit_status);
    }
    for (size_t i = 0; i < response->header_count; i++) {
        const struct response_header *header = &response->headers[i];

        if (header->token != NULL) {
            add_header(headers, &header->token->buf, header->value);
        } else {
            h2o_add_header_by_str(pool, headers, header->name, strlen(header->name), 0, NULL,
                                  header->value.base, header->value.len);
        }
    }
}

/** Begins an answer; `content_length` is SIZE_MAX where it has none. */
static void start(struct request *request, const struct response *response, size_t content_length,
                  h2o_generator_t *generator)
{
    h2o_req_t *req = request->h2o;

    req->res.status = response->status;
    req->res.original.status = response->status; /* or libh2o copies the headers, for its own log */
    req->res.reason = reason_phrase(response->status);
    req->res.content_length = content_length;
    req->compress_hint = H2O_COMPRESS_HINT_DISABLE; /* also tells our answers from libh2o's own */
    set_headers(request, response);
    if (request->app->is_draining) {
        req->http1_is_persistent = 0;
    }
    h2o_start_response(req, generator);
}

void respond(struct request *request, const struct response *response)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_iovec_t body = response->body;
    bool is_bodiless = response->status == 204 || response->status == 304;
    bool has_length = !is_bodiless && (body.base != NULL || !request->is_head);

    start(request, response, has_length ? body.len : SIZE_MAX, &generator);
    h2o_send(request->h2o, &body, request->is_head || body.len == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void respond_stream(struct request *request, const struct response *response,
                    h2o_generator_t *generator)
{
    start(request, response, SIZE_MAX, generator);
}

void respond_buf(struct request *request, int status, const char *content_type,
                 const struct buf *body)
{
    respond(request, &(struct response){
                         .status = status,
                         .content_type = content_type,
                         .body = h2o_strdup(&request->h2o->pool, body->bytes, body->length),
                     });
}

/** An error with one more header, unless NULL. */
static void respond_error_with(struct request *request, int status,
                               const struct response_header *header, const char *code,
                               const char *format, va_list arguments)
{
    struct buf message = BUF_EMPTY;
    struct buf body = BUF_EMPTY;

    buf_vprintf(&message, format, arguments);
    render_error_json(&body, code, message.length != 0 ? message.bytes : "");
    if (request->format != NULL && request->format->render_error != NULL) {
        format_respond_error(
            request, status, header,
            &(struct format_error){.code = code, .message = message.bytes, .json = &body});
    } else {
        respond(request, &(struct response){
                             .status = status,
                             .content_type = render_content_type(RENDER_JSON),
                             .body = h2o_strdup(&request->h2o->pool, body.bytes, body.length),
                             .headers = header,
                             .header_count = header != NULL ? 1 : 0,
                         });
    }
    buf_finish(&body);
    buf_finish(&message);
}

/** Retry-After: when it makes sense to ask again. */
static h2o_iovec_t retry_after(struct request *request)
{
    h2o_iovec_t value = h2o_iovec_init(H2O_STRLIT("1"));

    if (request->retry_after_s != 0) {
        value.base = h2o_mem_alloc_pool(&request->h2o->pool, sizeof(H2O_UINT64_LONGEST_STR));
        value.len = (size_t)sprintf(value.base, "%" PRIu64, request->retry_after_s);
    }
    return value;
}

void respond_verror(struct request *request, int status, const char *code, const char *format,
                    va_list arguments)
{
    static const struct response_header password = {
        H2O_TOKEN_WWW_AUTHENTICATE,
        NULL,
        {H2O_STRLIT("Basic realm=\"visitcountd\", charset=\"UTF-8\"")}};
    struct response_header retry = {.token = H2O_TOKEN_RETRY_AFTER};
    const struct response_header *header = NULL;

    if (status == 401) {
        header = &password;
    } else if (status == 503 || status == 504 || request->retry_after_s != 0) {
        retry.value = retry_after(request);
        header = &retry;
    }
    respond_error_with(request, status, header, code, format, arguments);
}

void respond_error(struct request *request, int status, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_verror(request, status, code, format, arguments);
    va_end(arguments);
}

static void respond_not_allowed(struct request *request, h2o_iovec_t allow, const char *format, ...)
{
    const struct response_header header = {H2O_TOKEN_ALLOW, NULL, allow};
    va_list arguments;

    if ((request->route->methods & ROUTE_COUNTS) != 0) {
        request->visit_status = h2o_iovec_init(H2O_STRLIT("refused; reason=method"));
    }
    va_start(arguments, format);
    respond_error_with(request, 405, &header, "method_not_allowed", format, arguments);
    va_end(arguments);
}

/* Targets */

/** Where the path of an absolute-form target begins, or NULL when it is none. */
static const char *skip_scheme_and_host(const char *target, size_t length)
{
    static const char *const schemes[] = {"http://", "https://"};
    const char *end = target + length;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t scheme_length = strlen(schemes[i]);
        const char *host = target + scheme_length;
        const char *at = host;

        if (length <= scheme_length || strncasecmp(target, schemes[i], scheme_length) != 0) {
            continue;
        }
        while (at < end && *at != '/' && *at != '?' && *at != '#') {
            at++;
        }
        return at > host ? at : NULL;
    }
    return NULL;
}

bool route_split_target(h2o_iovec_t target, h2o_iovec_t *ret_path, h2o_iovec_t *ret_query)
{
    const char *end = target.base + target.len;
    const char *path = target.base;
    const char *path_end;
    const char *query;

    if (target.len == 0 || *path != '/') {
        path = skip_scheme_and_host(target.base, target.len);
        if (path == NULL) {
            return false;
        }
    }
    end = find_byte(path, end, '#');
    path_end = find_byte(path, end, '?');
    query = path_end < end ? path_end + 1 : end;
    *ret_query = h2o_iovec_init(query, (size_t)(end - query));
    *ret_path = path == path_end ? h2o_iovec_init(H2O_STRLIT("/"))
                                 : h2o_iovec_init(path, (size_t)(path_end - path));
    return true;
}

/* Routes */

static bool route_matches(const struct route *route, h2o_iovec_t path)
{
    size_t length = route->path_length;
    bool is_prefix = length > 1 && route->path[length - 1] == '/';

    return (is_prefix ? path.len >= length : path.len == length) &&
           memcmp(path.base, route->path, length) == 0;
}

const struct route *route_find(const struct route_table *table, h2o_iovec_t path, unsigned methods)
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

/** Notes what the request's method is. */
static void take_method(struct request *request)
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

/** The value of Allow for a path, in the request's pool. */
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
        request->visit_status = h2o_iovec_init(H2O_STRLIT("ignored; reason=options"));
    }
    respond(request, &(struct response){
                         .status = 204,
                         .headers = headers,
                         .header_count = request->table->is_public ? 4 : 1,
                     });
}

/** Answers a request whose target is not a path. */
static void dispatch_pathless(struct request *request, bool is_options)
{
    h2o_iovec_t target = request->h2o->path;

    if (is_options && h2o_memis(target.base, target.len, H2O_STRLIT("*"))) {
        respond_options(request, h2o_iovec_init(H2O_STRLIT("GET, HEAD, POST, OPTIONS")));
    } else {
        respond_error(request, 400, "bad_target", "the request target is not a path");
    }
}

/** For answers to OPTIONS, which no handler makes: whose scripts may ask. */
static void use_site_of_path(struct request *request)
{
    h2o_iovec_t rest = request->rest;
    const char *slash = memchr(rest.base, '/', rest.len);
    size_t length = slash != NULL ? (size_t)(slash - rest.base) : rest.len;
    const struct site_rules *rules = sites_find(request->app->sites, rest.base, length);

    if (rules != NULL) {
        request_use_site(request, rules);
    }
}

void route_dispatch(const struct route_table *table, struct app *app, h2o_req_t *req)
{
    struct request *request = h2o_mem_alloc_pool(&req->pool, sizeof(*request));
    bool is_options = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"));
    h2o_iovec_t path;

    *request = (struct request){.h2o = req, .app = app, .table = table};
    if (table->is_public) {
        request->allow_origin = h2o_iovec_init(H2O_STRLIT("*"));
    }
    take_method(request);
    if (!route_split_target(req->path, &path, &request->query)) {
        dispatch_pathless(request, is_options);
        return;
    }
    request->route = route_find(table, path, request->method);
    if (request->route == NULL) {
        respond_error(request, 404, "not_found", "there is nothing at this path");
        return;
    }
    request->format = request->route->format;
    request->rest = h2o_iovec_init(path.base + request->route->path_length,
                                   path.len - request->route->path_length);
    if (is_options) {
        use_site_of_path(request);
        respond_options(request, allowed_methods(request, path));
    } else if ((request->route->methods & request->method) == 0) {
        h2o_iovec_t allow = allowed_methods(request, path);

        respond_not_allowed(request, allow, "this path takes %.*s", (int)allow.len, allow.base);
    } else {
        request->route->handle(request);
    }
}

/* What requests say */

void request_use_site(struct request *request, const struct site_rules *rules)
{
    h2o_iovec_t origin;

    if (rules->origin_count == 0) {
        return;
    }
    origin = request_header_named(request, "origin");
    request->varies_by_origin = true;
    request->allow_origin =
        site_rules_admit_origin(rules, origin.base, origin.len) ? origin : h2o_iovec_init("", 0);
}

h2o_iovec_t request_header(const struct request *request, const h2o_token_t *token)
{
    ssize_t at = h2o_find_header(&request->h2o->headers, token, -1);

    return at != -1 ? request->h2o->headers.entries[at].value : h2o_iovec_init("", 0);
}

h2o_iovec_t request_header_named(const struct request *request, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&request->h2o->headers, name, strlen(name), -1);

    return at != -1 ? request->h2o->headers.entries[at].value : h2o_iovec_init("", 0);
}

static int hex_value(const char *two)
{
    int value = 0;

    for (int i = 0; i < 2; i++) {
        char c = two[i];

        if (c >= '0' && c <= '9') {
            value = value * 16 + c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value * 16 + (c | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
    }
    return value;
}

static h2o_iovec_t decode_parameter(h2o_mem_pool_t *pool, const char *text, size_t length)
{
    h2o_iovec_t value = h2o_iovec_init(h2o_mem_alloc_pool(pool, length + 1), 0);

    for (size_t at = 0; at < length; at++) {
        char c = text[at];

        if (c == '+') {
            c = ' ';
        } else if (c == '%' && length - at > 2 && hex_value(text + at + 1) >= 0) {
            c = (char)hex_value(text + at + 1);
            at += 2;
        }
        value.base[value.len++] = c;
    }
    value.base[value.len] = '\0';
    return value;
}

bool route_find_parameter(h2o_mem_pool_t *pool, h2o_iovec_t query, const char *name,
                          h2o_iovec_t *ret_value)
{
    const char *end = query.base + query.len;
    const char *at = query.base;
    size_t name_length = strlen(name);

    while (at < end) {
        const char *pair_end = find_byte(at, end, '&');
        const char *name_end = find_byte(at, pair_end, '=');

        if (h2o_memis(at, (size_t)(name_end - at), name, name_length)) {
            const char *value = name_end < pair_end ? name_end + 1 : pair_end;

            *ret_value = decode_parameter(pool, value, (size_t)(pair_end - value));
            return true;
        }
        at = pair_end < end ? pair_end + 1 : end;
    }
    return false;
}

bool request_parameter(const struct request *request, const char *name, h2o_iovec_t *ret_value)
{
    return request->query.len != 0 &&
           route_find_parameter(&request->h2o->pool, request->query, name, ret_value);
}
