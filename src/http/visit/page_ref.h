/* SPDX-License-Identifier: MIT */
/**
 * page_ref: the site and the page that a path names.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_REF_H
#define VISITCOUNTD_HTTP_PAGE_REF_H

#include "http/visit/page_key.h"
#include "http/request/request.h"
#include "http/visit/sites.h"
#include "store/store.h"

#include <stdbool.h>

/** A page of a site. An unlisted site that is not admitted yet has sites_open_rules(). */
struct page_ref {
    const struct site_rules *rules; /* valid until the loop's next turn: a reload replaces them */
    char site[STORE_SITE_MAX + 1];  /* its canonical name, never an alias */
    size_t site_length;
    struct page_key page;
    bool is_site; /* the path ends with the site, so it may mean the whole site; `page` is "/" */
};

/**
 * Parses the path after the route's prefix: "{site}/{page…}", or "{site}" for the page "/". Drops
 * the suffix of the request's format: "{site}/a.svg" is "/a" and "{site}.svg" is "/". Returns false
 * if it has answered the request: the path names no site, or a site that is not served, or the
 * answer would be a script for a page that the site does not admit.
 */
bool page_ref_parse(struct request *request, struct page_ref *ret_page_ref);

/**
 * Returns the rules of the listed or admitted site in the path of a request that could have counted
 * a visit, or NULL if it names none. For requests that are answered; it sets nothing.
 */
const struct site_rules *page_ref_find_rules(const struct request *request);

/** Sets the CORS origin of the site for an OPTIONS request, which has no handler. */
void page_ref_parse_options(struct request *request);

/**
 * Fills `ret_page_ref` with the page "/" of the default site. Returns false if it has answered the
 * request, which only happens to a request for a script, see page_ref_parse().
 */
bool page_ref_parse_default(struct request *request, struct page_ref *ret_page_ref);

/**
 * Whether the site admits a request, by its Origin or else by the origin of its Referer. A site
 * with origins refuses a request that has neither.
 */
bool page_ref_admits(const struct site_rules *rules, h2o_iovec_t origin, h2o_iovec_t referer);

#endif
