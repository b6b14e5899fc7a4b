/* SPDX-License-Identifier: MIT */
#include "http/target.h"

#include "http/format.h"
#include "http/refusal.h"
#include "http/server.h"
#include "http/sites.h"

#include <string.h>

/** The rules of the site; NULL when it is not served, and the request was answered. */
static const struct site_rules *find_rules(struct request *request, const char *site, size_t length)
{
    const struct sites *sites = server_sites(request->server);
    const struct site_rules *rules = sites_find(sites, site, length);

    if (rules != NULL) {
        return rules;
    }
    rules = sites_open_rules(sites);
    if (rules == NULL) {
        refuse(request, REFUSAL_UNKNOWN_SITE, "site %s is not counted here", site);
    }
    return rules;
}

/** Takes the site's own name in place of the alias that was given. */
static void use_rules(struct request *request, struct target *target,
                      const struct site_rules *rules)
{
    target->rules = rules;
    if (rules->name_length != 0) {
        memcpy(target->site, rules->name, rules->name_length + 1);
    }
    request_use_site(request, rules);
}

/** What stands behind the route's prefix, without the suffix of the format. */
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

    if (!key_is_site(rest.base, site_length)) {
        refuse(request, REFUSAL_BAD_SITE, "a site's name is 1 to 64 of a-z 0-9 . _ -");
        return false;
    }
    memcpy(ret_target->site, rest.base, site_length);
    ret_target->site[site_length] = '\0';
    rules = find_rules(request, ret_target->site, site_length);
    if (rules == NULL) {
        return false;
    }
    use_rules(request, ret_target, rules);
    ret_target->is_site = slash == NULL;
    status = key_from_path(rest.base + site_length, rest.len - site_length, &ret_target->page);
    if (status != KEY_OK) {
        refuse(request, status == KEY_TOO_LONG ? REFUSAL_PAGE_TOO_LONG : REFUSAL_BAD_PAGE, "%s",
               key_status_text(status));
        return false;
    }
    return true;
}

void target_take_default(struct request *request, struct target *ret_target)
{
    use_rules(request, ret_target, sites_default_rules(server_sites(request->server)));
    ret_target->is_site = false;
    ret_target->page.length = 1;
    strcpy(ret_target->page.bytes, "/");
}
