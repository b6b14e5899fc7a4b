/* SPDX-License-Identifier: MIT */
/**
 * page_read: reads the total of a page from the store for a request, with a time limit.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_READ_H
#define VISITCOUNTD_HTTP_PAGE_READ_H

#include "http/request/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The result. It is valid only during the callback. */
struct page_read_answer {
    const char *site;
    const char *page;
    size_t page_length;
    bool is_known;  /* the store answered in time */
    uint64_t count; /* 0 unless known */
};

typedef void (*page_read_callback)(struct request *request, const struct page_read_answer *answer);

/**
 * Reads the total of `page` (at most STORE_PAGE_MAX bytes) of `site` (at most STORE_SITE_MAX).
 * Copies both. Calls `on_answer` once, with the number, or without it after `limit_ms`. `on_answer`
 * answers the request. If too many questions are open, the request is answered with 503 and
 * `on_answer` is not called.
 */
void page_read_start(struct request *request, const char *site, const char *page, uint64_t limit_ms,
                     page_read_callback on_answer);

#endif
