/* SPDX-License-Identifier: MIT */
/**
 * page_read: asks the store for the total of a page, for a request that waits no longer than a
 * limit.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_READ_H
#define VISITCOUNTD_HTTP_PAGE_READ_H

#include "http/request/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What became of it; gone when the callback returns. */
struct page_read_answer {
    const char *site;
    const char *page;
    size_t page_length;
    bool is_known;  /* the store told the number in time */
    uint64_t count; /* 0 unless known */
};

typedef void (*page_read_callback)(struct request *request, const struct page_read_answer *answer);

/**
 * Reads the number of `page` (at most STORE_PAGE_MAX) of `site` (STORE_SITE_MAX); both are copied.
 * Calls `on_answer`, which answers the request, once: with the number, or without it after
 * `limit_ms`. When far too many questions are open, the request is answered with 503 instead.
 */
void page_read_start(struct request *request, const char *site, const char *page, uint64_t limit_ms,
                     page_read_callback on_answer);

#endif
