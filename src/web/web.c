/* SPDX-License-Identifier: MIT */
#include "web/web.h"

ASSET(web_welcome, "src/web/welcome.html");
ASSET(web_count, "src/web/count.html");
ASSET(web_count_js, WEB_SQUEEZED "count.js");
ASSET(web_error, "src/web/error.html");
ASSET(web_dashboard, "src/web/dashboard.html");
ASSET(web_dashboard_css, "src/web/dashboard.css");
ASSET(web_live_js, "src/web/live.js");
ASSET(web_style, "src/web/style.css");
