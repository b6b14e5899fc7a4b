/* SPDX-License-Identifier: MIT */
#include "http/routes/routes.h"

#include "http/routes/assets.h"
#include "http/routes/dashboard.h"
#include "http/render/format.h"
#include "http/routes/history.h"
#include "http/routes/hit.h"
#include "http/routes/live.h"
#include "http/routes/home.h"
#include "http/routes/health.h"
#include "http/routes/read.h"
#include "http/visit/page_ref.h"

#define HIT     (METHOD_GET | METHOD_POST | ROUTE_COUNTS)
#define HIT_GET (METHOD_GET | ROUTE_COUNTS)

/* searched from the top, so the most frequent routes come first */
static const struct route routes[] = {
    {HIT, H2O_STRLIT("/count"), hit_handle_count, &format_json.base},
    {HIT, H2O_STRLIT("/v1/hit/"), hit_handle, &format_json.base},
    {HIT_GET, H2O_STRLIT("/badge/"), hit_handle, &format_badge.base},
    {HIT_GET, H2O_STRLIT("/pixel/"), hit_handle, &format_pixel.base},
    {METHOD_GET, H2O_STRLIT("/livez"), health_handle_livez, NULL},
    {METHOD_GET, H2O_STRLIT("/v1/get/"), read_handle_get, &format_json.base},
    {METHOD_POST, H2O_STRLIT("/v1/get/"), read_handle_get_many, &format_json.base},
    {METHOD_GET, H2O_STRLIT("/v1/top/"), history_handle_top, &format_json.base},
    {METHOD_GET, H2O_STRLIT("/v1/series/"), history_handle_series, &format_json.base},
    {METHOD_GET, H2O_STRLIT("/v1/live/"), live_handle, NULL},
    {HIT, H2O_STRLIT("/count.json"), hit_handle_count_as, &format_json.base},
    {HIT, H2O_STRLIT("/v1/text/"), hit_handle, &format_text.base},
    {HIT_GET, H2O_STRLIT("/v1/shields/"), hit_handle, &format_shields.base},
    {METHOD_GET, H2O_STRLIT("/count.js"), assets_handle, NULL},
    {METHOD_GET, H2O_STRLIT("/"), home_handle, &format_page.base},
    {METHOD_GET, H2O_STRLIT("/site/"), dashboard_handle, &format_page.base},
    {METHOD_GET, H2O_STRLIT("/assets/dashboard.css"), assets_handle, NULL},
    {METHOD_GET, H2O_STRLIT("/assets/live.js"), assets_handle, NULL},
    {METHOD_GET, H2O_STRLIT("/readyz"), health_handle_readyz, NULL},
};

const struct route_table visitor_routes = {routes, sizeof(routes) / sizeof(routes[0]), true,
                                           page_ref_parse_options};
