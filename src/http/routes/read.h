/* SPDX-License-Identifier: MIT */
/**
 * read: the routes that return numbers and count nothing.
 */
#ifndef VISITCOUNTD_HTTP_READ_H
#define VISITCOUNTD_HTTP_READ_H

#include "http/visit/page_key.h"
#include "http/visit/period.h"
#include "http/request/request.h"

#include <stdbool.h>

/**
 * The most pages times days of one question: 10 pages of a year, or 100 of 37 days. Repeated names
 * count once.
 */
#define READ_PAGE_DAYS_MAX 3700

/** Returns the configured time limit of a question to the store. */
uint64_t read_limit_ms(const struct request *request);

/** Sets the kind of number and the days of `query` for `period`, by the site's calendar. */
void read_set_period(const struct request *request, const struct period *period,
                     struct store_query *query);

/**
 * Reads a page's number for request->period and answers in the request's format. If the read fails,
 * it answers 503. If request->outcome says that the visit was counted, it answers 202 without
 * a number instead.
 */
void read_page(struct request *request, const char *site, const char *page, size_t page_length);

/** Serves the number of the page that the path names, in the route's format. */
void read_handle_get(struct request *request);

/** Serves the numbers of several pages of a site. The body is a JSON list of pages. */
void read_handle_get_many(struct request *request);

#endif
