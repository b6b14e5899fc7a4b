/* SPDX-License-Identifier: MIT */
/*
 * The formats that use a number's style: text, the badge and shields.io's JSON. Also the
 * pixel, which shows nothing.
 */
#include "http/render/style.h"

#include "base/buf.h"
#include "http/render/format.h"
#include "http/visit/period.h"
#include "http/request/http_error.h"
#include "http/request/response.h"

#include <string.h>

/* A proxy that caches a picture would hide visits. The old headers are for old proxies. */
#define NEVER_KEEP "no-cache, no-store, must-revalidate, max-age=0"

static const struct response_header picture_headers[] = {
    {H2O_TOKEN_EXPIRES, NULL, {H2O_STRLIT("Thu, 01 Jan 1970 00:00:00 GMT")}},
    {NULL, "pragma", {H2O_STRLIT("no-cache")}},
    /* pages that isolate themselves (COEP) may embed it too */
    {NULL, "cross-origin-resource-policy", {H2O_STRLIT("cross-origin")}},
    /* a picture opened in a tab is a document; it needs no scripts and no resources */
    {NULL, "content-security-policy", {H2O_STRLIT("default-src 'none'; sandbox")}},
};

#define PICTURE_HEADER_COUNT (sizeof(picture_headers) / sizeof(picture_headers[0]))

static bool prepare_style(struct request *request)
{
    h2o_mem_pool_t *pool = &request->h2o->pool;
    struct style *style = h2o_mem_alloc_pool(pool, sizeof(*style));
    const char *wrong = style_parse(pool, request->query, style);

    if (wrong != NULL) {
        http_error_respond(request, HTTP_ERROR_BAD_PARAMETER, "%s", wrong);
        return false;
    }
    request->format_data = style;
    return true;
}

/**
 * Returns the request's style. Errors may need one before prepare_appearance(), or without it.
 */
static void get_style(const struct request *request, struct style *ret_style)
{
    if (request->format_data != NULL) {
        *ret_style = *(const struct style *)request->format_data;
    } else {
        (void)style_parse(&request->h2o->pool, request->query, ret_style);
    }
    if (ret_style->badge.label == NULL) {
        ret_style->badge.label = request->period != NULL ? period_label(request->period) : "visits";
    }
}

static void put_error_text(struct buf *out, const struct response_error *error)
{
    for (const char *at = error->code; *at != '\0'; at++) {
        buf_putc(out, *at == '_' ? ' ' : *at);
    }
}

/* Text */

static void render_text(const struct request *request, struct buf *out,
                        const struct render_count *count)
{
    struct style style;

    if (request->query.len == 0) {
        render_count_text(out, count);
        return;
    }
    get_style(request, &style);
    style_put_count(out, &style, count);
    buf_putc(out, '\n');
}

const struct format format_text = {
    .content_type = "text/plain; charset=utf-8",
    .prepare = prepare_style,
    .render = render_text,
};

/* Badges */

static void render_badge(const struct request *request, struct buf *out,
                         const struct render_count *count)
{
    struct buf message = BUF_EMPTY;
    struct style style;

    get_style(request, &style);
    style_put_count(&message, &style, count);
    style.badge.message = message.bytes;
    badge_render(out, &style.badge);
    buf_finish(&message);
}

static void render_badge_error(const struct request *request, struct buf *out,
                               const struct response_error *error)
{
    struct buf message = BUF_EMPTY;
    struct style style;

    get_style(request, &style);
    put_error_text(&message, error);
    style.badge.message = message.bytes;
    style.badge.rgb = BADGE_RED;
    badge_render(out, &style.badge);
    buf_finish(&message);
}

const struct format format_badge = {
    .content_type = "image/svg+xml; charset=utf-8",
    .base = {.suffix = ".svg", .respond_error = format_respond_error},
    .prepare = prepare_style,
    .render = render_badge,
    .render_error = render_badge_error,
    .cache_control = NEVER_KEEP,
    .headers = picture_headers,
    .header_count = PICTURE_HEADER_COUNT,
};

/* The JSON of shields.io's endpoint badge (https://shields.io/badges/endpoint-badge) */

static void put_shields(struct buf *out, const struct style *style, const char *message,
                        bool is_error)
{
    const struct badge *badge = &style->badge;

    buf_puts(out, "{\"schemaVersion\":1,\"label\":");
    buf_put_json(out, badge->label, strlen(badge->label));
    buf_puts(out, ",\"message\":");
    buf_put_json(out, message, strlen(message));
    buf_printf(out, ",\"color\":\"#%06x\",\"labelColor\":\"#%06x\",\"style\":\"%s\"%s}\n",
               badge->rgb, badge->label_rgb, badge_style_name(badge->style),
               is_error ? ",\"isError\":true" : "");
}

static void render_shields(const struct request *request, struct buf *out,
                           const struct render_count *count)
{
    struct buf message = BUF_EMPTY;
    struct style style;

    get_style(request, &style);
    style_put_count(&message, &style, count);
    put_shields(out, &style, message.bytes, false);
    buf_finish(&message);
}

static void render_shields_error(const struct request *request, struct buf *out,
                                 const struct response_error *error)
{
    struct buf message = BUF_EMPTY;
    struct style style;

    get_style(request, &style);
    put_error_text(&message, error);
    style.badge.rgb = BADGE_RED;
    put_shields(out, &style, message.bytes, true);
    buf_finish(&message);
}

const struct format format_shields = {
    .base = {.respond_error = format_respond_error},
    .content_type = "application/json",
    .prepare = prepare_style,
    .render = render_shields,
    .render_error = render_shields_error,
    .errors_are_ok = true, /* shields.io hides answers with an error status behind its own error */
};

/* The pixel: GIF89a, 1 x 1, its only colour transparent */

static void put_pixel(struct buf *out)
{
    static const unsigned char bytes[] = {
        'G',  'I',  'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, /* one pixel, two colours */
        0,    0,    0,   0,   0,   0,                           /* both black */
        0x21, 0xf9, 4,   1,   0,   0,   0, 0,                   /* colour 0 is transparent */
        0x2c, 0,    0,   0,   0,   1,   0, 1, 0, 0, 2,    2, 0x44, 1, 0, /* the pixel, by LZW */
        0x3b};

    buf_append(out, bytes, sizeof(bytes));
}

static void render_pixel(const struct request *request, struct buf *out,
                         const struct render_count *count)
{
    (void)request;
    (void)count;
    put_pixel(out);
}

static void render_pixel_error(const struct request *request, struct buf *out,
                               const struct response_error *error)
{
    (void)request;
    (void)error;
    put_pixel(out);
}

const struct format format_pixel = {
    .content_type = "image/gif",
    .base = {.suffix = ".gif", .respond_error = format_respond_error},
    .render = render_pixel,
    .render_error = render_pixel_error,
    .cache_control = NEVER_KEEP,
    .headers = picture_headers,
    .header_count = PICTURE_HEADER_COUNT,
};
