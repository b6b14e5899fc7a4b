/* SPDX-License-Identifier: MIT */
/**
 * pages: where people with a browser begin.
 */
#ifndef VISITCOUNTD_HTTP_PAGES_H
#define VISITCOUNTD_HTTP_PAGES_H

#include "http/request/request.h"

/**
 * The default site's dashboard for those who may see it; for others the welcome page, with the
 * number of the page "/", which it does not count.
 */
void pages_handle_start(struct request *request);

#endif
