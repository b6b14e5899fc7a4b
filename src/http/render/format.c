/* SPDX-License-Identifier: MIT */
#include "http/render/format.h"

#include "base/buf.h"
#include "http/request/app.h"
#include "http/request/etag.h"
#include "http/request/http_error.h"

#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX  8
#define CALLBACK_MAX 64

/* JSON and its relatives */

static void render_json(const struct request *request, struct buf *out,
                        const struct render_count *count)
{
    (void)request;
    render_count_json(out, count);
}

static void render_html(const struct request *request, struct buf *out,
                        const struct render_count *count)
{
    (void)request;
    render_count_html(out, count);
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
           c == '$' || c == '.';
}

bool format_is_callback(const char *name, size_t length)
{
    if (length == 0 || length > CALLBACK_MAX || name[0] == '.' ||
        (name[0] >= '0' && name[0] <= '9')) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_word(name[i])) {
            return false;
        }
    }
    return true;
}

static bool prepare_json(struct request *request)
{
    h2o_iovec_t callback;

    if (!request_parameter(request, "callback", &callback)) {
        return true;
    }
    if (!format_is_callback(callback.base, callback.len)) {
        http_error_respond(
            request, HTTP_ERROR_BAD_PARAMETER,
            "callback is the name of a function: a letter, _ or $, then up to %d of letters, "
            "digits, _ $ .",
            CALLBACK_MAX - 1);
        return false;
    }
    request->format = &format_jsonp.base;
    request->format_data = callback.base;
    request->is_script = true;
    return true;
}

/**
 * Appends a call of the callback. The leading comment keeps browsers from taking the answer for
 * anything but a script, whatever the callback's name begins with.
 */
static void put_call(const struct request *request, struct buf *out, const struct buf *json)
{
    buf_printf(out, "/**/%s(", (const char *)request->format_data);
    buf_append(out, json->bytes, json->length - 1); /* without the newline */
    buf_puts(out, ");\n");
}

static void render_jsonp(const struct request *request, struct buf *out,
                         const struct render_count *count)
{
    struct buf json = BUF_EMPTY;

    render_count_json(&json, count);
    put_call(request, out, &json);
    buf_finish(&json);
}

static void render_jsonp_error(const struct request *request, struct buf *out,
                               const struct response_error *error)
{
    put_call(request, out, error->json);
}

const struct format format_html = {
    .content_type = "text/html; charset=utf-8",
    .render = render_html,
    .policy = render_content_security_policy,
};

static void render_page_error(const struct request *request, struct buf *out,
                              const struct response_error *error)
{
    (void)request;
    render_error_html(out, error->code, error->message);
}

const struct format format_page = {
    .base = {.respond_error = format_respond_error},
    .content_type = "text/html; charset=utf-8",
    .render_error = render_page_error,
    .policy = render_page_policy,
};

const struct format format_json = {
    .content_type = "application/json",
    .prepare = prepare_json,
    .render = render_json,
    .tells_uniques = true,
};

const struct format format_jsonp = {
    .base = {.respond_error = format_respond_error},
    .content_type = "application/javascript; charset=utf-8",
    .render = render_jsonp,
    .render_error = render_jsonp_error,
    .tells_uniques = true,
    .errors_are_ok = true, /* browsers run no script with an error status */
};

const struct format *format_negotiate(const struct request *request)
{
    static const struct format *const formats[] = {
        [RENDER_TEXT] = &format_text,
        [RENDER_HTML] = &format_html,
        [RENDER_JSON] = &format_json,
    };
    h2o_iovec_t accept = request_header(request, H2O_TOKEN_ACCEPT);

    return formats[render_negotiate(accept.base, accept.len)];
}

bool format_prepare(struct request *request)
{
    return request->query.len == 0 || format_of(request)->prepare == NULL ||
           format_of(request)->prepare(request);
}

/* Answers */

/** The headers of an answer: those of its format and its own. */
struct headers {
    struct response_header items[HEADERS_MAX];
    size_t count;
};

static void add_header(struct headers *headers, const struct response_header *header)
{
    if (headers->count == HEADERS_MAX) {
        abort();
    }
    headers->items[headers->count++] = *header;
}

static void init_headers(struct headers *headers, const struct format *format)
{
    headers->count = 0;
    for (size_t i = 0; i < format->header_count; i++) {
        add_header(headers, &format->headers[i]);
    }
    if (format->policy != NULL) {
        const char *policy = format->policy();

        add_header(headers, &(struct response_header){.name = "content-security-policy",
                                                      .value = {(char *)policy, strlen(policy)}});
    }
}

void format_respond(struct request *request, int http_status, const struct format *format,
                    const struct buf *body)
{
    struct headers headers;

    if (!response_reserve(request, body->length)) {
        http_error_respond(request, HTTP_ERROR_OVERLOADED,
                           "too many large answers wait for their clients");
        return;
    }
    init_headers(&headers, format);
    response_send(request, &(struct response){
                               .status = http_status,
                               .content_type = format->content_type,
                               .body = h2o_strdup(&request->h2o->pool, body->bytes, body->length),
                               .headers = headers.items,
                               .header_count = headers.count,
                               .cache_control = format->cache_control,
                           });
}

/** Sends a body that clients may cache. */
static void respond_kept(struct request *request, const struct buf *body)
{
    struct response response = {.status = 200, .cache_control = "no-cache"};
    struct headers headers;
    h2o_iovec_t etag;

    etag = etag_make(body->bytes, body->length, h2o_mem_alloc_pool(&request->h2o->pool, ETAG_SIZE));
    init_headers(&headers, format_of(request));
    add_header(&headers, &(struct response_header){H2O_TOKEN_ETAG, NULL, etag});
    response.headers = headers.items;
    response.header_count = headers.count;
    if (etag_is_known(request, etag)) {
        response.status = 304;
    } else {
        response.content_type = format_of(request)->content_type;
        response.body = h2o_strdup(&request->h2o->pool, body->bytes, body->length);
    }
    response_send(request, &response);
}

void format_respond_count(struct request *request, const struct render_count *count)
{
    struct buf *body = app_scratch(request->app);

    format_of(request)->render(request, body, count);
    if (request->may_be_kept) {
        respond_kept(request, body);
    } else {
        format_respond(request, count->is_estimate ? 202 : 200, format_of(request), body);
    }
}

void format_respond_error(struct request *request, int http_status,
                          const struct response_header *header, const struct response_error *error)
{
    const struct format *format = format_of(request);
    struct buf body = BUF_EMPTY;
    struct headers headers;

    init_headers(&headers, format);
    if (header != NULL) {
        add_header(&headers, header);
    }
    format->render_error(request, &body, error);
    response_send(request, &(struct response){
                               .status = format->errors_are_ok ? 200 : http_status,
                               .content_type = format->content_type,
                               .body = h2o_strdup(&request->h2o->pool, body.bytes, body.length),
                               .headers = headers.items,
                               .header_count = headers.count,
                               .cache_control = format->cache_control,
                           });
    buf_finish(&body);
}
