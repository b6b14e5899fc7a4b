/* SPDX-License-Identifier: MIT */
/**
 * visitor: distinguishes the visitors of one day by a keyed hash of client address, user agent and
 * site. The key comes from a salt. All instances share the salt through the store, and it changes
 * every local day. After the day the salt is forgotten, and then the hashes cannot be traced back.
 * Addresses and user agents are not kept.
 *
 * The salts are requested ahead of the visits, so that visits do not wait: today's as soon as the
 * store is there, tomorrow's shortly before midnight. Until the store has sent a salt, visitors
 * cannot be distinguished.
 */
#ifndef VISITCOUNTD_HTTP_VISITOR_H
#define VISITCOUNTD_HTTP_VISITOR_H

#include "count/engine.h"
#include "http/request/client.h"
#include "http/visit/sites.h"
#include "http/visit/page_ref.h"
#include "http/visit/trouble.h"
#include "loop/loop.h"
#include "store/store.h"

struct visitors;

/**
 * Creates the visitors of `sites` and requests their salts. `loop` and `store` must outlive them.
 */
struct visitors *visitors_create(struct loop *loop, struct store *store, const struct sites *sites);

/** Forgets all salts. NULL is allowed. */
void visitors_destroy(struct visitors *visitors);

/** Switches to the sites of a new configuration. */
void visitors_configure(struct visitors *visitors, const struct sites *sites);

/** Whether all salts that are needed now are known. */
bool visitors_are_told_apart(const struct visitors *visitors);

/** Returns the store's refusals of the question for salts. */
const struct trouble *visitors_trouble(const struct visitors *visitors);

/** Whether the store is there but has not answered the first question for salts yet. */
bool visitors_are_awaited(const struct visitors *visitors);

/**
 * Fills `visit->visitor`, `visit->day` and `visit->pages_max`. The caller must have set
 * `visit->second`. `visitor` is 0 if the site does not count visitors, or if the client cannot be
 * identified (no address, no salt, DNT or Sec-GPC). If the site counts a visitor once a day and the
 * client is identified, it also replaces the visit's token by one from `pool`.
 */
void visitors_identify(struct visitors *visitors, h2o_mem_pool_t *pool, const struct client *client,
                       const struct page_ref *page_ref, struct visit *visit);

#endif
