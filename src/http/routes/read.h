/* SPDX-License-Identifier: MIT */
/**
 * read: the routes that tell numbers and never count.
 */
#ifndef VISITCOUNTD_HTTP_READ_H
#define VISITCOUNTD_HTTP_READ_H

#include "http/visit/key.h"
#include "http/visit/period.h"
#include "http/request/request.h"

#include <stdbool.h>

/** How long a question to the store may take, by the configuration. */
uint64_t read_limit_ms(const struct request *request);

/** Fills what `query` asks by the site's calendar: which kind of number, from which day to which.
 */
void read_set_period(const struct request *request, const struct period *period,
                     struct store_query *query);

/** Takes the parameter `period` into request->period; false when the request was answered. */
bool read_take_period(struct request *request);

/**
 * Reads the number of a page in request->period and answers in the request's format. Where it
 * cannot be read, answers 503; or, when request->visit_status says that the visit was counted, 202
 * without a number.
 */
void read_page(struct request *request, const char *site, const char *page, size_t page_length);

/** The number of the page that the path names, in the route's format. */
void read_handle_get(struct request *request);

/** The numbers of the pages of a site that the body, a JSON list, names. */
void read_handle_get_many(struct request *request);

#endif
