/* SPDX-License-Identifier: MIT */
/**
 * token: by what a request that arrives twice is known: the Idempotency-Key header of anyone
 * (draft-ietf-httpapi-idempotency-key-header), else the X-Request-Id of a trusted proxy, which is
 * the same on every attempt of one request. Where that begins with the time, as our nginx file
 * makes it, the token is a stamp, which costs a store least.
 */
#ifndef VISITCOUNTD_HTTP_TOKEN_H
#define VISITCOUNTD_HTTP_TOKEN_H

#include "count/engine.h"
#include "http/request/client.h"

#include <stdbool.h>

/**
 * Sets the token of `visit`, in the request's memory, of which `pool` is; NULL when the request has
 * none. Returns false when there is an Idempotency-Key that is none: 1 to 128 visible ASCII
 * characters.
 */
bool token_take(h2o_mem_pool_t *pool, const struct client *client, struct visit *visit);

#endif
