/* SPDX-License-Identifier: MIT */
/**
 * page_list: a JSON list of pages, as a client sends it. The one file that sees libjansson.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_LIST_H
#define VISITCOUNTD_HTTP_PAGE_LIST_H

#include "http/visit/key.h"

#include <stdbool.h>
#include <stddef.h>

#define PAGE_LIST_MAX 100

struct page_list {
    size_t count;
    bool has_site; /* one of them is "", which stands for the whole site */
    struct key pages[PAGE_LIST_MAX];
};

/**
 * Reads ["/a", "/b/c", …] of 1 to PAGE_LIST_MAX pages, each as it stands in a path, so
 * percent-encoded; "" is the site. Returns NULL, or what is wrong, for people.
 */
const char *page_list_parse(const char *json, size_t length, struct page_list *ret_list);

#endif
