/* SPDX-License-Identifier: MIT */
/**
 * live: numbers as they change, as server-sent events (HTML Living Standard, 9.2).
 *
 * Clients of the same page share a topic, which watches the page's site in the store: so a visit
 * that any instance counts reaches them. A client gets at most ten events a second, of which the
 * last one is always the present number; what it has not taken yet is not queued but replaced.
 * Every 15 s of silence a comment keeps proxies from giving up. Clients that take nothing are
 * dropped by `connection`, those that leave are noticed at once.
 */
#ifndef VISITCOUNTD_HTTP_LIVE_H
#define VISITCOUNTD_HTTP_LIVE_H

#include "http/request/request.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stddef.h>

struct live;

/** Becomes the listener to the store's visits; `loop` and `store` outlive it. */
struct live *live_create(struct loop *loop, struct store *store);

/** Ends all streams; new requests are refused with 503. */
void live_drain(struct live *live);

/** Ends all streams and frees it. NULL is allowed. */
void live_destroy(struct live *live);

/** How many clients listen. */
size_t live_client_count(const struct live *live);

/**
 * The stream of the page that the path names, or, where it ends with the site's name, of the site.
 * Events are {"page","count"} with the count as id; a client whose Last-Event-ID is the present
 * number is told the next one. Beyond limits.live clients: 503.
 */
void live_handle(struct request *request);

#endif
