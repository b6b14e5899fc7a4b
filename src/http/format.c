/* SPDX-License-Identifier: MIT */
#include "http/format.h"

#include "http/server.h"

#include <string.h>

const struct format format_text = {
    .content_type = "text/plain; charset=utf-8",
    .render = render_count_text,
};

const struct format format_html = {
    .content_type = "text/html; charset=utf-8",
    .render = render_count_html,
    .policy = render_content_security_policy,
};

const struct format format_json = {
    .content_type = "application/json",
    .render = render_count_json,
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

void format_respond(struct request *request, int http_status, const struct format *format,
                    const struct buf *body)
{
    struct response_header policy = {.name = "content-security-policy"};
    struct response response = {
        .status = http_status,
        .content_type = format->content_type,
        .body = h2o_strdup(&request->h2o->pool, body->bytes, body->length),
    };

    if (format->policy != NULL) {
        const char *text = format->policy();

        policy.value = h2o_iovec_init(text, strlen(text));
        response.headers = &policy;
        response.header_count = 1;
    }
    respond(request, &response);
}

void format_respond_count(struct request *request, const struct format *format,
                          const struct render_count *count)
{
    struct buf *body = server_scratch(request->server);

    format->render(body, count);
    format_respond(request, count->is_estimate ? 202 : 200, format, body);
}
