/* SPDX-License-Identifier: MIT */
/**
 * token: the deduplication key of a request. It comes from the first of these that the request has:
 *
 *   - Idempotency-Key, of any client (draft-ietf-httpapi-idempotency-key-header);
 *   - `view` in the query or in the body: a page's own token of each view. A header would cost a
 *     page of another origin a preflight;
 *   - X-Request-Id, of a trusted proxy. The proxy sends the same one with every attempt of a
 *     request. A token that begins with the time, as our nginx file makes it, is a stamp. Stamps
 *     and views are the cheapest to store.
 */
#ifndef VISITCOUNTD_HTTP_TOKEN_H
#define VISITCOUNTD_HTTP_TOKEN_H

#include "count/engine.h"
#include "http/request/client.h"
#include "http/request/request.h"

#include <stdbool.h>

/** Limits of `view`. Two readers could have the same short one by accident. */
#define TOKEN_VIEW_MIN 16
#define TOKEN_VIEW_MAX 64

enum token_status {
    TOKEN_OK,
    TOKEN_BAD_KEY, /* an Idempotency-Key that is not 1 to 128 visible ASCII characters */
    TOKEN_BAD_VIEW /* a `view` that is not TOKEN_VIEW_MIN to TOKEN_VIEW_MAX of A-Z a-z 0-9 . _ - */
};

/**
 * Sets the token of `visit`, in memory of the request. It is NULL if the request has none. `client`
 * is that of the request.
 */
enum token_status token_read(const struct request *request, const struct client *client,
                             struct visit *visit);

#endif
