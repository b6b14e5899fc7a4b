/* SPDX-License-Identifier: MIT */
/**
 * dashboard: an HTML page with the numbers of a site or a page: all visits, visits and visitors of
 * today, a chart of 30 days, and the top pages. The server renders everything; a script updates it
 * live.
 */
#ifndef VISITCOUNTD_HTTP_DASHBOARD_H
#define VISITCOUNTD_HTTP_DASHBOARD_H

#include "http/request/request.h"
#include "http/visit/page_ref.h"

/**
 * Serves the dashboard of a site. If the path continues after the site's name, serves that page's
 * dashboard.
 */
void dashboard_handle(struct request *request);

/** Serves the dashboard of `target`. The caller has checked the client's access. */
void dashboard_show(struct request *request, const struct page_ref *page_ref);

#endif
