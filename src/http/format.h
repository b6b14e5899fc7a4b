/* SPDX-License-Identifier: MIT */
/**
 * format: how the number of a page is told: one `struct format` for each.
 */
#ifndef VISITCOUNTD_HTTP_FORMAT_H
#define VISITCOUNTD_HTTP_FORMAT_H

#include "http/render.h"
#include "http/route.h"

struct format {
    const char *content_type;
    void (*render)(struct buf *out, const struct render_count *count);
    const char *(*policy)(void); /* Content-Security-Policy; NULL: none */
};

extern const struct format format_text;
extern const struct format format_html;
extern const struct format format_json;

/** The one that the Accept header of the request asks for; see render_negotiate(). */
const struct format *format_negotiate(const struct request *request);

/** Sends `body` with the headers of `format`. */
void format_respond(struct request *request, int http_status, const struct format *format,
                    const struct buf *body);

/** Renders `count` and sends it: 200, or 202 for an estimate. */
void format_respond_count(struct request *request, const struct format *format,
                          const struct render_count *count);

#endif
