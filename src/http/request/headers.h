/* SPDX-License-Identifier: MIT */
/**
 * headers: what a counting request says of who sends it, taken in one pass over its headers instead
 * of a search for each.
 */
#ifndef VISITCOUNTD_HTTP_HEADERS_H
#define VISITCOUNTD_HTTP_HEADERS_H

#include "http/request/request.h"

/** Values in the request's memory; empty, with a NULL base, where there is no such header. */
struct request_headers {
    h2o_iovec_t user_agent;
    h2o_iovec_t origin;
    h2o_iovec_t referer;
    h2o_iovec_t purpose;     /* prefetches: Purpose, Sec-Purpose, X-Moz */
    h2o_iovec_t sec_purpose; /* https://wicg.github.io/nav-speculation/prefetch.html */
    h2o_iovec_t moz;
    h2o_iovec_t dnt; /* https://www.w3.org/TR/tracking-dnt/ */
    h2o_iovec_t gpc; /* Sec-GPC: https://www.w3.org/TR/gpc/ */
    h2o_iovec_t real_ip;
    h2o_iovec_t forwarded_for; /* of several, all, joined by commas */
    h2o_iovec_t request_id;
    h2o_iovec_t idempotency_key;
};

/** Of several headers of one name the first is taken, but for X-Forwarded-For. */
void headers_take(const struct request *request, struct request_headers *ret_headers);

#endif
