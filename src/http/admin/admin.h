/* SPDX-License-Identifier: MIT */
/**
 * admin: the routes of the admin socket (one per row of commands.def) and of the metrics listeners.
 *
 * Answers are plain text, or JSON with `Accept: application/json` or `?format=json`. Errors are
 * always JSON. The status is 4xx if the daemon refuses a command, and 5xx if it could not find out
 * the answer.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_H
#define VISITCOUNTD_HTTP_ADMIN_H

#include "http/request/router.h"

extern const struct route_table admin_routes;
extern const struct route_table metrics_routes;

#endif
