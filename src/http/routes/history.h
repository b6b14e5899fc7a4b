/* SPDX-License-Identifier: MIT */
/**
 * history: the routes of a site's top list and series. Both require access_check().
 */
#ifndef VISITCOUNTD_HTTP_HISTORY_H
#define VISITCOUNTD_HTTP_HISTORY_H

#include "http/request/request.h"

/** Serves the pages with the most visits: `n` of them, 1 to 1000, 10 by default. */
void history_handle_top(struct request *request);

/**
 * Serves visits by day or hour of the page that the path names. If the path ends with the site's
 * name, serves those of the whole site. Parameters: `by` (day, hour); `from` and `to` (2026-11-27,
 * 2026-11-27T13Z; the last 30 days or 48 hours by default); `unique=1` (visitors by day).
 */
void history_handle_series(struct request *request);

#endif
