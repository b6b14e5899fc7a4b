/* SPDX-License-Identifier: MIT */
#include "http/request/response.h"

#include "http/request/app.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* bodies beyond this length are reserved */
#define LARGE_BYTES ((size_t)16 * 1024)

/*
 * The most bytes of large bodies that clients have not taken yet. A body is in the memory of its
 * request until the kernel has taken all of it.
 */
#define LARGE_TOTAL_MAX ((size_t)16 * 1024 * 1024)

static size_t large_total;

/* runs when the request's pool is cleared, after its answer was sent or its connection closed */
static void on_large_gone(void *data)
{
    large_total -= *(const size_t *)data;
}

bool response_reserve(struct request *request, size_t bytes)
{
    size_t *reserved;

    if (bytes <= LARGE_BYTES || request->is_operator) {
        return true;
    }
    if (bytes > LARGE_TOTAL_MAX - large_total) {
        return false;
    }
    reserved = h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*reserved), on_large_gone);
    *reserved = bytes;
    large_total += bytes;
    return true;
}

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
    return "Unknown"; /* the text does not matter: clients use the number */
}

static void add_header(h2o_headers_t *headers, const h2o_iovec_t *name, h2o_iovec_t value)
{
    headers->entries[headers->size++] = (h2o_header_t){(h2o_iovec_t *)name, NULL, value};
}

/** Returns "counted; replicas=1/2" if too few replicas have confirmed the visit, else "counted". */
static h2o_iovec_t format_visit_status(const struct request *request)
{
    h2o_iovec_t name = visit_outcomes[request->outcome].name;
    char text[96];
    int length;

    if (request->replicas >= request->replicas_wanted) {
        return name;
    }
    length = snprintf(text, sizeof(text), "%s; replicas=%" PRIu64 "/%" PRIu64, name.base,
                      request->replicas, request->replicas_wanted);
    return h2o_strdup(&request->h2o->pool, text, (size_t)length);
}

/** Sets the headers of an answer. Does not copy names and values. */
static void set_headers(struct request *request, const struct response *response)
{
    static const h2o_iovec_t nosniff = {H2O_STRLIT("x-content-type-options")};
    static const h2o_iovec_t visit_status = {H2O_STRLIT("visitcount-status")};
    static const h2o_iovec_t resource_policy = {H2O_STRLIT("cross-origin-resource-policy")};
    static const h2o_iovec_t expose = {H2O_STRLIT("access-control-expose-headers")};
    h2o_mem_pool_t *pool = &request->h2o->pool;
    h2o_headers_t *headers = &request->h2o->res.headers;
    const char *cache_control = response->cache_control;

    h2o_vector_reserve(pool, headers, response->header_count + 8);
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
    if (request->is_private) {
        add_header(headers, &resource_policy, h2o_iovec_init(H2O_STRLIT("same-origin")));
    }
    if (request->outcome != OUTCOME_NONE) {
        add_header(headers, &visit_status, format_visit_status(request));
        if (!visit_outcomes[request->outcome].is_counted && request->app->on_uncounted != NULL) {
            request->app->on_uncounted(request);
        }
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

/** Begins an answer. `content_length` is SIZE_MAX if the length is unknown. */
static void start(struct request *request, const struct response *response, size_t content_length,
                  h2o_generator_t *generator)
{
    h2o_req_t *req = request->h2o;

    req->res.status = response->status;
    req->res.original.status = response->status; /* else libh2o copies the headers */
    req->res.reason = reason_phrase(response->status);
    req->res.content_length = content_length;
    req->compress_hint = H2O_COMPRESS_HINT_DISABLE; /* also marks our answers */
    set_headers(request, response);
    if (request->app->is_draining) {
        req->http1_is_persistent = 0;
    }
    h2o_start_response(req, generator);
}

void response_send(struct request *request, const struct response *response)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_iovec_t body = response->body;
    bool is_bodiless = response->status == 204 || response->status == 304;
    bool has_length = !is_bodiless && (body.base != NULL || !request->is_head);

    start(request, response, has_length ? body.len : SIZE_MAX, &generator);
    h2o_send(request->h2o, &body, request->is_head || body.len == 0 ? 0 : 1, H2O_SEND_STATE_FINAL);
}

void response_send_stream(struct request *request, const struct response *response,
                          h2o_generator_t *generator)
{
    start(request, response, SIZE_MAX, generator);
}

void response_send_buf(struct request *request, int status, const char *content_type,
                       const struct buf *body)
{
    response_send(request, &(struct response){
                               .status = status,
                               .content_type = content_type,
                               .body = h2o_strdup(&request->h2o->pool, body->bytes, body->length),
                           });
}

void response_put_error_json(struct buf *out, const char *code, const char *message)
{
    buf_puts(out, "{\"error\":{\"code\":");
    buf_put_json(out, code, strlen(code));
    buf_puts(out, ",\"message\":");
    buf_put_json(out, message, strlen(message));
    buf_puts(out, "}}\n");
}

void response_send_verror_with(struct request *request, int status,
                               const struct response_header *header, const char *code,
                               const char *format, va_list arguments)
{
    struct buf message = BUF_EMPTY;
    struct buf body = BUF_EMPTY;

    buf_vprintf(&message, format, arguments);
    response_put_error_json(&body, code, message.length != 0 ? message.bytes : "");
    if (request->format != NULL && request->format->respond_error != NULL) {
        request->format->respond_error(
            request, status, header,
            &(struct response_error){.code = code, .message = message.bytes, .json = &body});
    } else {
        response_send(request, &(struct response){
                                   .status = status,
                                   .content_type = RESPONSE_JSON,
                                   .body = h2o_strdup(&request->h2o->pool, body.bytes, body.length),
                                   .headers = header,
                                   .header_count = header != NULL ? 1 : 0,
                               });
    }
    buf_finish(&body);
    buf_finish(&message);
}

/** Returns the value of Retry-After. */
static h2o_iovec_t retry_after(struct request *request)
{
    h2o_iovec_t value = h2o_iovec_init(H2O_STRLIT("1"));

    if (request->retry_after_s != 0) {
        value.base = h2o_mem_alloc_pool(&request->h2o->pool, sizeof(H2O_UINT64_LONGEST_STR));
        value.len = (size_t)sprintf(value.base, "%" PRIu64, request->retry_after_s);
    }
    return value;
}

void response_send_verror(struct request *request, int status, const char *code, const char *format,
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
    response_send_verror_with(request, status, header, code, format, arguments);
}

void response_send_error(struct request *request, int status, const char *code, const char *format,
                         ...)
{
    va_list arguments;

    va_start(arguments, format);
    response_send_verror(request, status, code, format, arguments);
    va_end(arguments);
}
