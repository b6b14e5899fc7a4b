/* SPDX-License-Identifier: MIT */
/**
 * etag: answers that a client may keep, if it asks about them again.
 */
#ifndef VISITCOUNTD_HTTP_ETAG_H
#define VISITCOUNTD_HTTP_ETAG_H

#include "http/request/request.h"

#include <stdbool.h>

/** Room for a tag, with NUL. */
#define ETAG_SIZE 27

/** Makes the strong validator of a body (RFC 9110, 8.8.3) from its SHA-256. */
h2o_iovec_t etag_make(const char *body, size_t length, char text[ETAG_SIZE]);

/** Whether the client has the body with this tag: If-None-Match has it, or "*" (13.1.2). */
bool etag_is_known(const struct request *request, h2o_iovec_t etag);

#endif
