/* SPDX-License-Identifier: MIT */
/**
 * assets: the files that pages load, embedded in the program: scripts and style. Browsers keep them
 * for an hour and ask then whether they changed.
 */
#ifndef VISITCOUNTD_HTTP_ASSETS_H
#define VISITCOUNTD_HTTP_ASSETS_H

#include "http/request/request.h"

/** The asset of the route's path. */
void assets_handle(struct request *request);

/** Changes when an asset does; for the ends of their addresses, so that no old one is used. */
const char *assets_version(void);

#endif
