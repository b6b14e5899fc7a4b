/* SPDX-License-Identifier: MIT */
/**
 * dashboard: a page for people with the numbers of a site, or of one of its pages: visits, those of
 * today, visitors, 30 days, the pages with the most visits. The server writes all of it; a script
 * keeps it as it is now.
 */
#ifndef VISITCOUNTD_HTTP_DASHBOARD_H
#define VISITCOUNTD_HTTP_DASHBOARD_H

#include "http/request/request.h"
#include "http/visit/target.h"

/** That of the site, or, where something stands behind it, of the page that the path names. */
void dashboard_handle(struct request *request);

/** That of `target`, which the client may see. */
void dashboard_show(struct request *request, const struct target *target);

#endif
