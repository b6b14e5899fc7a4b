/* SPDX-License-Identifier: MIT */
/**
 * target: which page of which site a path names, and whether the site is served.
 */
#ifndef VISITCOUNTD_HTTP_TARGET_H
#define VISITCOUNTD_HTTP_TARGET_H

#include "http/visit/key.h"
#include "http/request/request.h"
#include "http/visit/sites.h"
#include "store/store.h"

#include <stdbool.h>

/** A page of a site. One that is not listed, and not admitted yet, has the rules without a name. */
struct target {
    const struct site_rules *rules; /* those of this turn of the loop: a reload makes others */
    char site[STORE_SITE_MAX + 1];  /* its own name, whatever alias was given */
    size_t site_length;
    struct key page;
    bool is_site; /* nothing stands behind the site: it may stand for all of it; `page` is "/" */
};

/**
 * Takes "{site}/{page…}", or "{site}" for the page "/", from what stands behind the route's prefix;
 * without the suffix of the request's format: "{site}/a.svg" and "{site}.svg" name "/a" and "/".
 * Returns false when the request was answered: it names none, or a site that is not served.
 */
bool target_take(struct request *request, struct target *ret_target);

/** For OPTIONS, which no handler answers: notes whose scripts may read answers about the site. */
void target_take_options(struct request *request);

/** The page "/" of the default site. */
void target_take_default(struct request *request, struct target *ret_target);

#endif
