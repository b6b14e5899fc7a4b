/* SPDX-License-Identifier: MIT */
/**
 * redis_live: visits of watched sites, as apply.lua and edit.lua publish them, on a link of its own
 * that subscribes. The link exists only while something is watched.
 *
 * A site's channel is vc:live:{site}; a message has a line "TOTAL PAGE" for each page whose total
 * changed. Whenever a subscription begins, messages may have been missed: then it is said so.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LIVE_H
#define VISITCOUNTD_STORE_REDIS_LIVE_H

#include "loop/loop.h"
#include "store/redis/redis_link.h"
#include "store/store.h"

struct redis_live;

/**
 * A new one, which tells the listener of visits of `store`. `options` are those of a link, of which
 * the strings stay; what a subscriber has no use for is ignored.
 */
struct redis_live *redis_live_create(struct loop *loop, struct store *store,
                                     const struct redis_link_options *options);

/** NULL is allowed. */
void redis_live_destroy(struct redis_live *live);

/** As redis_link_set_credentials(). */
void redis_live_set_credentials(struct redis_live *live, const char *username,
                                const char *password);

/** Watches a site once more, or once less. */
void redis_live_watch(struct redis_live *live, const char *site);
void redis_live_unwatch(struct redis_live *live, const char *site);

#endif
