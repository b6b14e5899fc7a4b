/* SPDX-License-Identifier: MIT */
/**
 * access: decides who may see a site's private views: dashboard, top list, series and total.
 */
#ifndef VISITCOUNTD_HTTP_ACCESS_H
#define VISITCOUNTD_HTTP_ACCESS_H

#include "http/request/request.h"
#include "http/visit/sites.h"

#include <stdbool.h>

enum access {
    ACCESS_OPEN,   /* the site is public, or the client sent a right password */
    ACCESS_CLOSED, /* not open, and not answered */
    ACCESS_LATER   /* the request is taken care of; the handler of its route may be called again */
};

/**
 * Decides whether the client may see the private views of a site: the site is public, or the client
 * sent dashboard.password or the site's own password (HTTP Basic, RFC 7617, with any user name).
 * Marks the answer of a site that is not public as private. Wrong passwords are counted and slowed
 * down, see password_guard.h. A handler calls this before it has any effect.
 */
enum access access_judge(struct request *request, const struct site_rules *rules);

/**
 * Whether the client may see the private views. If not, the request is taken care of: with 401,
 * which asks for the password, with 403 if the site has no password, or as ACCESS_LATER.
 */
bool access_check(struct request *request, const struct site_rules *rules);

#endif
