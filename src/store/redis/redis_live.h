/* SPDX-License-Identifier: MIT */
/**
 * redis_live: receives the visits of watched sites that apply.lua and edit.lua publish. It
 * subscribes on a link of its own. The link exists only while a site is watched.
 *
 * A site's channel is vc:live:{site}. A message has a line "TOTAL PAGE" for each page whose total
 * changed. Messages may have been lost before a subscription began, so each new subscription
 * reports page NULL to the listener.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LIVE_H
#define VISITCOUNTD_STORE_REDIS_LIVE_H

#include "loop/loop.h"
#include "store/redis/redis_link.h"
#include "store/store.h"

struct redis_live;

/**
 * Creates a receiver that reports to the listener of visits of `store`. `options` are those of a
 * link; their strings must outlive it. Options that a subscriber does not need are ignored.
 */
struct redis_live *redis_live_create(struct loop *loop, struct store *store,
                                     const struct redis_link_options *options);

/** Frees the receiver and its link. NULL is allowed. */
void redis_live_destroy(struct redis_live *live);

/** As redis_link_set_credentials(). */
void redis_live_set_credentials(struct redis_live *live, const char *username,
                                const char *password);

/** Watches a site, or ends one watch of it. Calls nest. */
void redis_live_watch(struct redis_live *live, const char *site);
void redis_live_unwatch(struct redis_live *live, const char *site);

#endif
