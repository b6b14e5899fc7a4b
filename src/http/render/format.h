/* SPDX-License-Identifier: MIT */
/**
 * format: how the number of a page is told: one `struct format` for each way, which the routes
 * name. A format takes its own parameters from the query, and tells errors in its own way where
 * JSON would be of no use: a badge that says so, a call of the script's function.
 */
#ifndef VISITCOUNTD_HTTP_FORMAT_H
#define VISITCOUNTD_HTTP_FORMAT_H

#include "http/render/render.h"
#include "http/request/request.h"
#include "http/request/response.h"
#include "loop/loop.h"

struct format {
    struct response_format base; /* what a request has; see format_of() */
    const char *content_type;
    /**
     * Takes its parameters into request->format_data; may put another format into its place. False
     * when the request was answered, as they are wrong. NULL: there are none.
     */
    bool (*prepare)(struct request *request);
    void (*render)(const struct request *request, struct buf *out,
                   const struct render_count *count);
    /** NULL: errors are JSON. Called before `prepare` as well. */
    void (*render_error)(const struct request *request, struct buf *out,
                         const struct response_error *error);
    const char *cache_control;   /* NULL: no-store, max-age=0 */
    bool tells_uniques;          /* how many visitors the page has today is told, too */
    bool errors_are_ok;          /* errors are sent with 200: who reads it looks at nothing else */
    const char *(*policy)(void); /* Content-Security-Policy; NULL: none */
    const struct response_header *headers; /* further ones, of all answers */
    size_t header_count;
};

extern const struct format format_text; /* with `format` and `digits`; see appearance.h */
extern const struct format format_html;
extern const struct format format_page; /* HTML with script; not for numbers */
extern const struct format format_json; /* with `callback`: format_jsonp */
extern const struct format format_jsonp;
extern const struct format format_badge;   /* SVG; see appearance.h */
extern const struct format format_pixel;   /* GIF, a transparent pixel */
extern const struct format format_shields; /* JSON for shields.io's endpoint badge */

/** The one that the Accept header of the request asks for; see render_negotiate(). */
const struct format *format_negotiate(const struct request *request);

/** Takes the parameters of request->format; false when the request was answered. */
bool format_prepare(struct request *request);

/** Whether a script's function may have this name: [A-Za-z_$][A-Za-z0-9_$.]{0,63}. */
bool format_is_callback(const char *name, size_t length);

/** Sends `body` with the headers of `format`. */
void format_respond(struct request *request, int http_status, const struct format *format,
                    const struct buf *body);

/**
 * Renders `count` in request->format and sends it: 200, or 202 for an estimate. Where
 * request->may_be_kept, with an ETag, by which a client is to ask again, and 304 if it has that.
 */
void format_respond_count(struct request *request, const struct render_count *count);

/** Sends an error by `render_error` of the request's format; for `base` of formats that have it. */
void format_respond_error(struct request *request, int http_status,
                          const struct response_header *header, const struct response_error *error);

/** The format of a request whose route has one. */
static inline const struct format *format_of(const struct request *request)
{
    return container_of(request->format, const struct format, base);
}

#endif
