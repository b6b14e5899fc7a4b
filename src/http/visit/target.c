/* SPDX-License-Identifier: MIT */
#include "http/visit/target.h"

#include "http/request/http_error.h"
#include "http/request/response.h"
#include "http/request/app.h"
#include "http/visit/sites.h"

#include <string.h>

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

void target_take_options(struct request *request)
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
static void use_listed(struct request *request, struct target *target,
                       const struct site_rules *rules)
{
    target->rules = rules;
    target->site_length = rules->name_length;
    memcpy(target->site, rules->name, rules->name_length + 1);
    use_origins(request, rules);
}

/** Fills a target with an unlisted site. Returns false after answering. */
static bool use_open(struct request *request, struct target *target, const char *site,
                     size_t length)
{
    if (!key_is_site(site, length)) {
        refuse(request, HTTP_ERROR_BAD_SITE, "a site's name is 1 to 64 of a-z 0-9 . _ -");
        return false;
    }
    memcpy(target->site, site, length);
    target->site[length] = '\0';
    target->site_length = length;
    target->rules = sites_open_rules(request->app->sites);
    if (target->rules == NULL) {
        refuse(request, HTTP_ERROR_UNKNOWN_SITE, "site %s is not counted here", target->site);
        return false;
    }
    use_origins(request, target->rules);
    return true;
}

/** Returns the path after the route's prefix, without the suffix of the format. */
static h2o_iovec_t take_rest(const struct request *request)
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

bool target_take(struct request *request, struct target *ret_target)
{
    h2o_iovec_t rest = take_rest(request);
    const char *slash = memchr(rest.base, '/', rest.len);
    size_t site_length = slash != NULL ? (size_t)(slash - rest.base) : rest.len;
    const struct site_rules *rules;
    enum key_status status;

    rules = sites_find(request->app->sites, rest.base, site_length);
    if (rules != NULL) {
        use_listed(request, ret_target, rules);
    } else if (!use_open(request, ret_target, rest.base, site_length)) {
        return false;
    }
    ret_target->is_site = slash == NULL;
    status = key_from_path(rest.base + site_length, rest.len - site_length, &ret_target->page);
    if (status != KEY_OK) {
        refuse(request, status == KEY_TOO_LONG ? HTTP_ERROR_PAGE_TOO_LONG : HTTP_ERROR_BAD_PAGE,
               "%s", key_status_text(status));
        return false;
    }
    return true;
}

void target_take_default(struct request *request, struct target *ret_target)
{
    use_listed(request, ret_target, sites_default_rules(request->app->sites));
    ret_target->is_site = false;
    ret_target->page.length = 1;
    strcpy(ret_target->page.bytes, "/");
}
