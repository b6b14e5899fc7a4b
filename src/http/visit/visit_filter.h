/* SPDX-License-Identifier: MIT */
/**
 * visit_filter: decides whether a request to a counting route counts. It filters prefetches, bots,
 * the networks that the operator excludes, foreign origins, pages that a site does not count, and
 * visits above the rate limit.
 */
#ifndef VISITCOUNTD_HTTP_VISIT_FILTER_H
#define VISITCOUNTD_HTTP_VISIT_FILTER_H

#include "http/visit/bots.h"
#include "http/request/client.h"
#include "http/visit/rate.h"
#include "http/request/http_error.h"
#include "http/visit/page_ref.h"

enum visit_filter_result {
    VISIT_FILTER_COUNT,
    VISIT_FILTER_IGNORE, /* answered with the current number */
    VISIT_FILTER_REFUSE  /* answered with an error */
};

/** State kept between requests. It holds no address and no user agent. */
struct visit_filter {
    struct bots *bots;
    struct rates *rates;
};

struct visit_filter_verdict {
    enum visit_filter_result result;
    enum visit_outcome outcome; /* VISIT_FILTER_IGNORE */
    enum http_error http_error; /* VISIT_FILTER_REFUSE */
    uint64_t retry_after_s;     /* of HTTP_ERROR_RATE; else 0 */
};

void visit_filter_init(struct visit_filter *visit_filter);
void visit_filter_finish(struct visit_filter *visit_filter);

/**
 * Judges a request that is not a HEAD. The checks run in this order, and the first one that fails
 * decides: prefetch, bot, networks of `config`, origins and pages of the site, rate of the client
 * on the page. The rate check takes one visit out of the client's bucket. Sets all of
 * `ret_verdict`.
 */
void visit_filter_judge(struct visit_filter *visit_filter, const struct config *config,
                        const struct client *client, const struct page_ref *page_ref,
                        struct visit_filter_verdict *ret_verdict);

#endif
