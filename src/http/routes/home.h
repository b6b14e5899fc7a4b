/* SPDX-License-Identifier: MIT */
/**
 * home: the start page for browsers.
 */
#ifndef VISITCOUNTD_HTTP_HOME_H
#define VISITCOUNTD_HTTP_HOME_H

#include "http/request/request.h"

/**
 * Serves the default site's dashboard to clients that may see it. Others get the welcome page with
 * the number of the page "/". The welcome page does not count a visit.
 */
void home_handle(struct request *request);

#endif
