/* SPDX-License-Identifier: MIT */
/**
 * page_list: parses a JSON list of pages from a client. Only this module uses libjansson.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_LIST_H
#define VISITCOUNTD_HTTP_PAGE_LIST_H

#include "http/visit/page_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_LIST_MAX 100

struct page_list {
    size_t count;
    size_t distinct_count;         /* names that are the same page count once */
    size_t names_size;             /* of the distinct names, each with its NUL */
    uint8_t places[PAGE_LIST_MAX]; /* of each page among the distinct ones, in their order */
    bool has_site;                 /* one of them is "", the whole site */
    struct page_key pages[PAGE_LIST_MAX];
};

/**
 * Parses ["/a", "/b/c", …], a list of 1 to PAGE_LIST_MAX pages. Pages are percent-encoded as in a
 * path; "" is the site. Returns NULL, or an error message.
 */
const char *page_list_parse(const char *json, size_t length, struct page_list *ret_list);

#endif
