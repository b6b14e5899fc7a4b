/* SPDX-License-Identifier: MIT */
/**
 * protocol_error: what libh2o refuses itself, before a route sees it (a body that is too large or
 * broken, an expectation other than 100-continue), made an error like ours: JSON, and a connection
 * that lingers, since the client may still be sending. (A request line or header block that is
 * broken gets libh2o's fixed "400 Bad Request" in plain text, out of our reach.)
 */
#ifndef VISITCOUNTD_HTTP_PROTOCOL_ERROR_H
#define VISITCOUNTD_HTTP_PROTOCOL_ERROR_H

#include <h2o.h>

#include <stdbool.h>

/**
 * Looks at all answers of `pathconf`, whose connections are in a `struct connections`. `is_public`:
 * scripts of other origins may read the errors (CORS).
 */
void protocol_error_register(h2o_pathconf_t *pathconf, bool is_public);

#endif
