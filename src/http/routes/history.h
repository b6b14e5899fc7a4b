/* SPDX-License-Identifier: MIT */
/**
 * history: the routes of a site's top list and of series. They need access_check().
 */
#ifndef VISITCOUNTD_HTTP_HISTORY_H
#define VISITCOUNTD_HTTP_HISTORY_H

#include "http/request/request.h"

/** The pages with the most visits: `n` of them, 1 to 1000, by default 10. */
void history_handle_top(struct request *request);

/**
 * Visits by day or hour of the page that the path names, or, where the path ends with the site's
 * name, of the whole site: `by` (day, hour), `from`, `to` (2026-11-27, 2026-11-27T13Z; by default
 * the last 30 days or 48 hours), `unique=1` (visitors by day).
 */
void history_handle_series(struct request *request);

#endif
