/* SPDX-License-Identifier: MIT */
/**
 * routes: the table of the routes for visitors.
 */
#ifndef VISITCOUNTD_HTTP_ROUTES_H
#define VISITCOUNTD_HTTP_ROUTES_H

#include "http/request/router.h"

extern const struct route_table visitor_routes;

#endif
