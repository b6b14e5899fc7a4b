/* SPDX-License-Identifier: MIT */
/**
 * pages: what the daemon shows to people with a browser.
 */
#ifndef VISITCOUNTD_HTTP_PAGES_H
#define VISITCOUNTD_HTTP_PAGES_H

#include "http/route.h"

/** The welcome page, with the number of the default site's page "/", which it does not count. */
void pages_handle_welcome(struct request *request);

#endif
