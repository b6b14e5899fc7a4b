/* SPDX-License-Identifier: MIT */
#include "http/routes.h"

#include "http/hit.h"
#include "http/pages.h"
#include "http/probe.h"
#include "http/read.h"

#define HIT (METHOD_GET | METHOD_POST | ROUTE_COUNTS)

/* looked through from the top: what is asked most often comes first */
static const struct route routes[] = {
    {HIT, "/count", hit_handle_count},
    {HIT, "/v1/hit/", hit_handle},
    {METHOD_GET, "/livez", probe_handle_livez},
    {METHOD_GET, "/v1/get/", read_handle_get},
    {HIT, "/count.json", hit_handle_count_json},
    {METHOD_GET, "/", pages_handle_welcome},
    {METHOD_GET, "/readyz", probe_handle_readyz},
};

const struct route_table visitor_routes = {routes, sizeof(routes) / sizeof(routes[0]), true};
