/* SPDX-License-Identifier: MIT */
#include "http/visit/page_ref.h"

#include "http/request/http_error.h"
#include "http/request/response.h"
#include "http/request/router.h"
#include "http/request/app.h"
#include "http/visit/sites.h"

#include <string.h>

/** Returns the origin of a URL: "https://a.example" for "https://a.example/b". */
static h2o_iovec_t origin_of(h2o_iovec_t url)
{
    const char *host = url.len > 3 ? memmem(url.base, url.len, "://", 3) : NULL;
    const char *end;

    if (host == NULL) {
        return h2o_iovec_init("", 0);
    }
    end = url.base + url.len;
    for (const char *at = host + 3; at < end; at++) {
        if (*at == '/' || *at == '?' || *at == '#') {
            end = at;
        }
    }
    return h2o_iovec_init(url.base, (size_t)(end - url.base));
}

bool page_ref_admits(const struct site_rules *rules, h2o_iovec_t origin, h2o_iovec_t referer)
{
    if (origin.len == 0) {
        origin = origin_of(referer);
    }
    return site_rules_admit_origin(rules, origin.base, origin.len);
}

/** Sets the CORS origin of a site: with `origins`, only their scripts may read the answer. */
static void use_origins(struct request *request, const struct site_rules *rules)
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

/**
 * Refuses an answer that is a script of a page which the site does not admit: a browser runs such
 * an answer on any page, whatever CORS says. Returns false after answering. A refusal of a visit
 * is still told to the page's callback; a number never is.
 */
static bool check_script(struct request *request, const struct site_rules *rules)
{
    if (!request->is_script || rules->origin_count == 0 ||
        page_ref_admits(rules, request_header_named(request, "origin"),
                        request_header(request, H2O_TOKEN_REFERER))) {
        return true;
    }
    if ((request->route->methods & ROUTE_COUNTS) == 0) {
        request->format = NULL;
    }
    http_error_respond(request, HTTP_ERROR_ORIGIN,
                       "site %s answers the callbacks of its own pages only", rules->name);
    return false;
}

void page_ref_parse_options(struct request *request)
{
    h2o_iovec_t rest = request->rest;
    const char *slash = memchr(rest.base, '/', rest.len);
    size_t length = slash != NULL ? (size_t)(slash - rest.base) : rest.len;
    const struct site_rules *rules = sites_find(request->app->sites, rest.base, length);

    if (rules != NULL) {
        use_origins(request, rules);
    }
}

/** Fills a target with a listed site, under its canonical name. */
static void use_listed(struct request *request, struct page_ref *page_ref,
                       const struct site_rules *rules)
{
    page_ref->rules = rules;
    page_ref->site_length = rules->name_length;
    memcpy(page_ref->site, rules->name, rules->name_length + 1);
    use_origins(request, rules);
}

/** Fills a target with an unlisted site. Returns false after answering. */
static bool use_open(struct request *request, struct page_ref *page_ref, const char *site,
                     size_t length)
{
    if (!page_key_is_site(site, length)) {
        http_error_respond(request, HTTP_ERROR_BAD_SITE,
                           "a site's name is 1 to 64 of a-z 0-9 . _ -");
        return false;
    }
    memcpy(page_ref->site, site, length);
    page_ref->site[length] = '\0';
    page_ref->site_length = length;
    page_ref->rules = sites_open_rules(request->app->sites);
    if (page_ref->rules == NULL) {
        http_error_respond(request, HTTP_ERROR_UNKNOWN_SITE, "site %s is not counted here",
                           page_ref->site);
        return false;
    }
    use_origins(request, page_ref->rules);
    return true;
}

/** Returns the path after the route's prefix, without the suffix of the format. */
static h2o_iovec_t read_rest(const struct request *request)
{
    const char *suffix = request->format != NULL ? request->format->suffix : NULL;
    h2o_iovec_t rest = request->rest;
    size_t length = suffix != NULL ? strlen(suffix) : 0;

    if (length != 0 && rest.len >= length &&
        memcmp(rest.base + rest.len - length, suffix, length) == 0) {
        rest.len -= length;
    }
    return rest;
}

bool page_ref_parse(struct request *request, struct page_ref *ret_page_ref)
{
    h2o_iovec_t rest = read_rest(request);
    const char *slash = memchr(rest.base, '/', rest.len);
    size_t site_length = slash != NULL ? (size_t)(slash - rest.base) : rest.len;
    const struct site_rules *rules;
    enum page_key_status status;

    rules = sites_find(request->app->sites, rest.base, site_length);
    if (rules != NULL) {
        use_listed(request, ret_page_ref, rules);
    } else if (!use_open(request, ret_page_ref, rest.base, site_length)) {
        return false;
    }
    if (!check_script(request, ret_page_ref->rules)) {
        return false;
    }
    ret_page_ref->is_site = slash == NULL;
    status =
        page_key_from_path(rest.base + site_length, rest.len - site_length, &ret_page_ref->page);
    if (status != PAGE_KEY_OK) {
        http_error_respond(
            request, status == PAGE_KEY_TOO_LONG ? HTTP_ERROR_PAGE_TOO_LONG : HTTP_ERROR_BAD_PAGE,
            "%s", page_key_status_text(status));
        return false;
    }
    return true;
}

const struct site_rules *page_ref_find_rules(const struct request *request)
{
    h2o_iovec_t rest = read_rest(request);
    const char *slash = memchr(rest.base, '/', rest.len);

    if (request->route->path[request->route->path_length - 1] != '/') {
        return sites_default_rules(request->app->sites); /* a whole path, such as /count */
    }
    return sites_find(request->app->sites, rest.base,
                      slash != NULL ? (size_t)(slash - rest.base) : rest.len);
}

bool page_ref_parse_default(struct request *request, struct page_ref *ret_page_ref)
{
    use_listed(request, ret_page_ref, sites_default_rules(request->app->sites));
    ret_page_ref->is_site = false;
    ret_page_ref->page.length = 1;
    strcpy(ret_page_ref->page.bytes, "/");
    return check_script(request, ret_page_ref->rules);
}
