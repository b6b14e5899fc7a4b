/* SPDX-License-Identifier: MIT */
/**
 * token: the deduplication key of a request. It comes from the Idempotency-Key header of any client
 * (draft-ietf-httpapi-idempotency-key-header), or else from the X-Request-Id of a trusted proxy.
 * The proxy sends the same X-Request-Id with every attempt of a request. A token that begins with
 * the time, as our nginx file makes it, is a stamp. Stamps are the cheapest to store.
 */
#ifndef VISITCOUNTD_HTTP_TOKEN_H
#define VISITCOUNTD_HTTP_TOKEN_H

#include "count/engine.h"
#include "http/request/client.h"

#include <stdbool.h>

/**
 * Sets the token of `visit`, in memory of `pool`, the request's pool. It is NULL if the request has
 * none. Returns false for an invalid Idempotency-Key: valid ones are 1 to 128 visible ASCII
 * characters.
 */
bool token_read(h2o_mem_pool_t *pool, const struct client *client, struct visit *visit);

#endif
