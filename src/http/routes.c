/* SPDX-License-Identifier: MIT */
#include "http/routes.h"

#include "http/assets.h"
#include "http/dashboard.h"
#include "http/format.h"
#include "http/history.h"
#include "http/hit.h"
#include "http/live.h"
#include "http/pages.h"
#include "http/probe.h"
#include "http/read.h"

#define HIT     (METHOD_GET | METHOD_POST | ROUTE_COUNTS)
#define HIT_GET (METHOD_GET | ROUTE_COUNTS)

/* looked through from the top: what is asked most often comes first */
static const struct route routes[] = {
    {HIT, "/count", hit_handle_count, &format_json},
    {HIT, "/v1/hit/", hit_handle, &format_json},
    {HIT_GET, "/badge/", hit_handle, &format_badge},
    {HIT_GET, "/pixel/", hit_handle, &format_pixel},
    {METHOD_GET, "/livez", probe_handle_livez, NULL},
    {METHOD_GET, "/v1/get/", read_handle_get, &format_json},
    {METHOD_POST, "/v1/get/", read_handle_get_many, &format_json},
    {METHOD_GET, "/v1/top/", history_handle_top, &format_json},
    {METHOD_GET, "/v1/series/", history_handle_series, &format_json},
    {METHOD_GET, "/v1/live/", live_handle, NULL},
    {HIT, "/count.json", hit_handle_count_as, &format_json},
    {HIT, "/v1/text/", hit_handle, &format_text},
    {HIT_GET, "/v1/shields/", hit_handle, &format_shields},
    {METHOD_GET, "/count.js", assets_handle, NULL},
    {METHOD_GET, "/", pages_handle_start, &format_page},
    {METHOD_GET, "/site/", dashboard_handle, &format_page},
    {METHOD_GET, "/assets/dashboard.css", assets_handle, NULL},
    {METHOD_GET, "/assets/live.js", assets_handle, NULL},
    {METHOD_GET, "/readyz", probe_handle_readyz, NULL},
};

const struct route_table visitor_routes = {routes, sizeof(routes) / sizeof(routes[0]), true};
