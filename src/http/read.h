/* SPDX-License-Identifier: MIT */
/**
 * read: the routes that tell numbers and never count.
 */
#ifndef VISITCOUNTD_HTTP_READ_H
#define VISITCOUNTD_HTTP_READ_H

#include "http/route.h"

/** The number of the page that the path names, as JSON. */
void read_handle_get(struct request *request);

#endif
