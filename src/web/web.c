/* SPDX-License-Identifier: MIT */
#include "web/web.h"

ASSET(web_welcome, "src/web/welcome.html");
ASSET(web_count, "src/web/count.html");
ASSET(web_count_js, "src/web/count.js");
ASSET(web_style, "src/web/style.css");
