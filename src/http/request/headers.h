/* SPDX-License-Identifier: MIT */
/**
 * headers: the headers that counting needs, collected in one pass. That is cheaper than one search
 * per header.
 */
#ifndef VISITCOUNTD_HTTP_HEADERS_H
#define VISITCOUNTD_HTTP_HEADERS_H

#include "http/request/request.h"

/** The values, in the request's memory. A missing header is empty with a NULL base. */
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
    h2o_iovec_t forwarded_for; /* repeated headers are joined by commas */
    h2o_iovec_t request_id;
    h2o_iovec_t idempotency_key;
};

/**
 * Collects the headers. If a header is repeated, the first one counts; X-Forwarded-For is joined.
 */
void headers_read(const struct request *request, struct request_headers *ret_headers);

#endif
