/* SPDX-License-Identifier: MIT */
/**
 * etag: entity tags, for answers that a client may cache and revalidate.
 */
#ifndef VISITCOUNTD_HTTP_ETAG_H
#define VISITCOUNTD_HTTP_ETAG_H

#include "http/request/request.h"

#include <stdbool.h>

/** Size of a tag, including NUL. */
#define ETAG_SIZE 27

/**
 * Makes the strong validator (RFC 9110, 8.8.3) of a body from its SHA-256. The result points into
 * `text`.
 */
h2o_iovec_t etag_make(const char *body, size_t length, char text[ETAG_SIZE]);

/**
 * Whether the client has the body with this tag: If-None-Match contains it, or is "*" (RFC 9110,
 * 13.1.2).
 */
bool etag_is_known(const struct request *request, h2o_iovec_t etag);

#endif
