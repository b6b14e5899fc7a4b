/* SPDX-License-Identifier: MIT */
/**
 * admin: the routes of the admin socket, one per row of commands.def, and those of the metrics
 * listeners.
 *
 * Answers are text for people, or JSON with `Accept: application/json` or `?format=json`. Errors
 * are JSON always; a command that the daemon refuses is a 4xx, what it could not find out a 5xx.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_H
#define VISITCOUNTD_HTTP_ADMIN_H

#include "http/request/router.h"

extern const struct route_table admin_routes;
extern const struct route_table metrics_routes;

#endif
