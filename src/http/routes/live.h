/* SPDX-License-Identifier: MIT */
/**
 * live: streams a page's number to clients as it changes, as server-sent events (HTML Living
 * Standard, 9.2).
 *
 * Clients of one page share a topic. The topic watches the page's site in the store, so it sees
 * visits that any instance counts. A client gets at most ten events a second. If it falls behind,
 * pending events are replaced and not queued, so the last event always has the current number.
 * After 15 s of silence the stream sends a comment, which keeps proxies from closing it.
 * `connection` closes clients that stop reading. A client that leaves is noticed at once.
 */
#ifndef VISITCOUNTD_HTTP_LIVE_H
#define VISITCOUNTD_HTTP_LIVE_H

#include "http/request/request.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stddef.h>

struct live;

/**
 * Creates the streams and subscribes to the store's visits. `loop` and `store` must outlive them.
 */
struct live *live_create(struct loop *loop, struct store *store);

/** Ends all streams. New requests are refused with 503. */
void live_drain(struct live *live);

/** Ends all streams and frees `live`. NULL is allowed. */
void live_destroy(struct live *live);

/** Returns the number of connected clients. */
size_t live_client_count(const struct live *live);

/**
 * Streams the number of the page that the path names. If the path ends with the site's name,
 * streams the site's number. An event is {"page","count"}, and its id is the count. A client whose
 * Last-Event-ID equals the current count gets its first event at the next change. Beyond
 * limits.live clients: 503.
 */
void live_handle(struct request *request);

#endif
