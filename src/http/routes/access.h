/* SPDX-License-Identifier: MIT */
/**
 * access: decides who may see a site's private views: dashboard, top list, series and total.
 */
#ifndef VISITCOUNTD_HTTP_ACCESS_H
#define VISITCOUNTD_HTTP_ACCESS_H

#include "http/request/request.h"
#include "http/visit/sites.h"

#include <stdbool.h>

/** Whether the client sent `password` (HTTP Basic, RFC 7617). Any user name is accepted. */
bool access_has_password(const struct request *request, const char *password);

/**
 * Whether the client may see the private views: the site is public, or the client sent its
 * password. Marks the answer of a site that is not public as private.
 */
bool access_is_open(struct request *request, const struct site_rules *rules);

/**
 * Like access_is_open(). If it returns false, it has answered the request: with 401, which asks for
 * the password, or with 403 if no password is configured.
 */
bool access_check(struct request *request, const struct site_rules *rules);

#endif
