/* SPDX-License-Identifier: MIT */
/**
 * admin_repair: the route of the admin socket that repairs a torn site, whose keys contradict each
 * other.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_REPAIR_H
#define VISITCOUNTD_HTTP_ADMIN_REPAIR_H

#include "http/request/request.h"

/**
 * Parameters: site; trust: "hits" or a number (without it the site is only inspected); force: "1"
 * to repair a site that is not torn.
 */
void admin_handle_repair(struct request *request);

#endif
