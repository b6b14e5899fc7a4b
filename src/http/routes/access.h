/* SPDX-License-Identifier: MIT */
/**
 * access: who may see what is not public: a site's dashboard, top list, series and total.
 */
#ifndef VISITCOUNTD_HTTP_ACCESS_H
#define VISITCOUNTD_HTTP_ACCESS_H

#include "http/request/request.h"
#include "http/visit/sites.h"

#include <stdbool.h>

/** Whether the client knows dashboard.password (HTTP Basic, RFC 7617, with any user name). */
bool access_has_password(const struct request *request, const char *password);

/** Whether the client may see it: the site is public, or the client has the password. */
bool access_is_open(const struct request *request, const struct site_rules *rules);

/**
 * The same; where not, the request was answered: 401, which asks for the password, or 403 where
 * there is none.
 */
bool access_check(struct request *request, const struct site_rules *rules);

#endif
