/* SPDX-License-Identifier: MIT */
/**
 * routes: the table of what visitors may ask, one row for each path.
 */
#ifndef VISITCOUNTD_HTTP_ROUTES_H
#define VISITCOUNTD_HTTP_ROUTES_H

#include "http/request/router.h"

extern const struct route_table visitor_routes;

#endif
