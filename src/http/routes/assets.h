/* SPDX-License-Identifier: MIT */
/**
 * assets: the scripts and styles that pages load, embedded in the program. Browsers cache them for
 * an hour and then revalidate them.
 */
#ifndef VISITCOUNTD_HTTP_ASSETS_H
#define VISITCOUNTD_HTTP_ASSETS_H

#include "http/request/request.h"

/** Serves the asset of the route's path. */
void assets_handle(struct request *request);

/**
 * Returns a version that changes when an asset changes. Pages append it to the assets' URLs, so
 * that browsers do not use an old copy.
 */
const char *assets_version(void);

#endif
