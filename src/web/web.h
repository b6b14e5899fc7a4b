/* SPDX-License-Identifier: MIT */
/**
 * web: the pages that the daemon serves, embedded at build time. HTML files are templates:
 * render_template() replaces {{name}} by a value.
 */
#ifndef VISITCOUNTD_WEB_WEB_H
#define VISITCOUNTD_WEB_WEB_H

#include "base/asset.h"

ASSET_DECLARE(web_welcome); /* welcome.html: GET / */
ASSET_DECLARE(web_count);   /* count.html: GET /count for browsers */
ASSET_DECLARE(web_style);   /* style.css: inlined in all pages except the dashboard */

ASSET_DECLARE(web_error);     /* error.html: errors of pages */
ASSET_DECLARE(web_dashboard); /* dashboard.html: GET /site/{site} */

ASSET_DECLARE(web_count_js);      /* count.js: the snippet for other sites' pages */
ASSET_DECLARE(web_dashboard_css); /* dashboard.css */
ASSET_DECLARE(web_live_js);       /* live.js: for the dashboard and the welcome page */

#endif
