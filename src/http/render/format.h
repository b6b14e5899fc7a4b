/* SPDX-License-Identifier: MIT */
/**
 * format: the output formats for a page's number, one `struct format` each. Routes choose the
 * format. A format parses its own parameters from the query. It also renders errors if its readers
 * cannot use JSON: a badge shows the error, JSONP passes it to the script's function.
 */
#ifndef VISITCOUNTD_HTTP_FORMAT_H
#define VISITCOUNTD_HTTP_FORMAT_H

#include "http/render/render.h"
#include "http/request/request.h"
#include "http/request/response.h"
#include "loop/loop.h"

struct format {
    struct response_format base; /* the part that requests refer to; see format_of() */
    const char *content_type;
    /**
     * Parses the format's parameters into request->format_data. May replace request->format.
     * Returns false after answering a request with invalid parameters. NULL: no parameters.
     */
    bool (*prepare)(struct request *request);
    void (*render)(const struct request *request, struct buf *out,
                   const struct render_count *count);
    /** Renders an error. It may be called before `prepare`. NULL: errors are JSON. */
    void (*render_error)(const struct request *request, struct buf *out,
                         const struct response_error *error);
    const char *cache_control;   /* NULL: no-store, max-age=0 */
    bool tells_uniques;          /* the answer includes the page's visitors of today */
    bool errors_are_ok;          /* errors have status 200: readers show nothing of other answers */
    const char *(*policy)(void); /* Content-Security-Policy; NULL: none */
    const struct response_header *headers; /* extra headers of every answer */
    size_t header_count;
};

extern const struct format format_text; /* with `format` and `digits`; see style.h */
extern const struct format format_html;
extern const struct format format_page; /* HTML with script; not for numbers */
extern const struct format format_json; /* with `callback`: format_jsonp */
extern const struct format format_jsonp;
extern const struct format format_badge;   /* SVG; see style.h */
extern const struct format format_pixel;   /* GIF, a transparent pixel */
extern const struct format format_shields; /* JSON for shields.io's endpoint badge */

/** Returns the format that the request's Accept header asks for; see render_negotiate(). */
const struct format *format_negotiate(const struct request *request);

/** Parses the parameters of request->format. Returns false if it has answered the request. */
bool format_prepare(struct request *request);

/** Whether `name` is valid as a JSONP callback: [A-Za-z_$][A-Za-z0-9_$.]{0,63}. */
bool format_is_callback(const char *name, size_t length);

/** Sends `body` with the Content-Type and headers of `format`. */
void format_respond(struct request *request, int http_status, const struct format *format,
                    const struct buf *body);

/**
 * Renders `count` in request->format and sends it with 200, or with 202 for an estimate. If
 * request->may_be_kept, it adds an ETag and answers 304 to a client that has the same body.
 */
void format_respond_count(struct request *request, const struct render_count *count);

/**
 * Sends an error through the format's `render_error`. Formats with a `render_error` set this as
 * `base.respond_error`.
 */
void format_respond_error(struct request *request, int http_status,
                          const struct response_header *header, const struct response_error *error);

/** Returns the format of a request whose route has one. */
static inline const struct format *format_of(const struct request *request)
{
    return container_of(request->format, const struct format, base);
}

#endif
