/* SPDX-License-Identifier: MIT */
/**
 * protocol_error: converts libh2o's own errors to ours. libh2o refuses some requests before a route
 * sees them: a body that is too large or broken, an expectation other than 100-continue. Such an
 * error becomes JSON. Its connection lingers, because the client may still be sending.
 *
 * A broken request line or header block is out of our reach. It gets libh2o's fixed "400 Bad
 * Request" in plain text.
 */
#ifndef VISITCOUNTD_HTTP_PROTOCOL_ERROR_H
#define VISITCOUNTD_HTTP_PROTOCOL_ERROR_H

#include <h2o.h>

#include <stdbool.h>

/**
 * Filters all answers of `pathconf`. Its connections must be in a `struct connections`.
 * `is_public`: scripts of other origins may read the errors (CORS).
 */
void protocol_error_register(h2o_pathconf_t *pathconf, bool is_public);

/**
 * Answers a request with 400, code "bad_request" and `message`, and closes the connection.
 * `message` has no character that JSON escapes.
 */
void protocol_error_refuse(h2o_req_t *req, bool is_public, const char *message);

#endif
