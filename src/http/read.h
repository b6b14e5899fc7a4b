/* SPDX-License-Identifier: MIT */
/**
 * read: the routes that tell numbers and never count.
 */
#ifndef VISITCOUNTD_HTTP_READ_H
#define VISITCOUNTD_HTTP_READ_H

#include "http/key.h"
#include "http/route.h"

/** Reads the number of a page and answers in the request's format, or says why not. */
void read_page(struct request *request, const char *site, const struct key *page);

/** The number of the page that the path names, in the route's format. */
void read_handle_get(struct request *request);

#endif
