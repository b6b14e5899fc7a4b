/* SPDX-License-Identifier: MIT */
/**
 * target: the site and the page that a path names.
 */
#ifndef VISITCOUNTD_HTTP_TARGET_H
#define VISITCOUNTD_HTTP_TARGET_H

#include "http/visit/key.h"
#include "http/request/request.h"
#include "http/visit/sites.h"
#include "store/store.h"

#include <stdbool.h>

/** A page of a site. An unlisted site that is not admitted yet has sites_open_rules(). */
struct target {
    const struct site_rules *rules; /* valid until the loop's next turn: a reload replaces them */
    char site[STORE_SITE_MAX + 1];  /* its canonical name, never an alias */
    size_t site_length;
    struct key page;
    bool is_site; /* the path ends with the site, so it may mean the whole site; `page` is "/" */
};

/**
 * Parses the path after the route's prefix: "{site}/{page…}", or "{site}" for the page "/". Drops
 * the suffix of the request's format: "{site}/a.svg" is "/a" and "{site}.svg" is "/". Returns false
 * if it has answered the request: the path names no site, or a site that is not served.
 */
bool target_take(struct request *request, struct target *ret_target);

/** Sets the CORS origin of the site for an OPTIONS request, which has no handler. */
void target_take_options(struct request *request);

/** Fills `ret_target` with the page "/" of the default site. */
void target_take_default(struct request *request, struct target *ret_target);

#endif
