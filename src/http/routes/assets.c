/* SPDX-License-Identifier: MIT */
#include "http/routes/assets.h"

#include "http/request/etag.h"
#include "http/request/response.h"
#include "http/request/router.h"
#include "web/web.h"

#include <string.h>

/* digits of an asset's hash in assets_version() */
#define VERSION_DIGITS 6

static struct asset {
    const char *path;
    const char *content_type;
    const char *bytes;
    const uint64_t *length;
    h2o_iovec_t etag; /* made at its first use */
    char etag_text[ETAG_SIZE];
} assets[] = {
    {.path = "/count.js",
     .content_type = "text/javascript; charset=utf-8",
     .bytes = web_count_js,
     .length = &web_count_js_length},
    {.path = "/assets/dashboard.css",
     .content_type = "text/css; charset=utf-8",
     .bytes = web_dashboard_css,
     .length = &web_dashboard_css_length},
    {.path = "/assets/live.js",
     .content_type = "text/javascript; charset=utf-8",
     .bytes = web_live_js,
     .length = &web_live_js_length},
};

static struct asset *find(const char *path)
{
    size_t at = 0;

    while (strcmp(assets[at].path, path) != 0) {
        at++; /* every route of this handler has an asset */
    }
    return &assets[at];
}

static h2o_iovec_t etag_of(struct asset *asset)
{
    if (asset->etag.len == 0) {
        asset->etag = etag_make(asset->bytes, *asset->length, asset->etag_text);
    }
    return asset->etag;
}

const char *assets_version(void)
{
    static char version[2 * VERSION_DIGITS + 1];

    if (version[0] == '\0') {
        /* after the opening quotation mark */
        memcpy(version, etag_of(find("/assets/dashboard.css")).base + 1, VERSION_DIGITS);
        memcpy(version + VERSION_DIGITS, etag_of(find("/assets/live.js")).base + 1, VERSION_DIGITS);
    }
    return version;
}

void assets_handle(struct request *request)
{
    struct asset *asset = find(request->route->path);
    struct response_header headers[] = {
        {.token = H2O_TOKEN_ETAG},
        {.name = "cross-origin-resource-policy", .value = {H2O_STRLIT("cross-origin")}},
    };
    struct response response = {
        .status = 200,
        .content_type = asset->content_type,
        .body = {(char *)asset->bytes, *asset->length},
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .cache_control = "public, max-age=3600",
    };

    headers[0].value = etag_of(asset);
    if (etag_is_known(request, asset->etag)) {
        response.status = 304;
        response.content_type = NULL;
        response.body = h2o_iovec_init(NULL, 0);
    }
    response_send(request, &response);
}
