/* SPDX-License-Identifier: MIT */
/**
 * visitor: who visits, as far as it takes to tell visitors of one day apart: a keyed hash of client
 * address, user agent and site. The key comes from a salt that all instances share through the
 * store, and that is another one each local day; it is forgotten after the day, and with it what
 * hashes stand for. Neither addresses nor user agents are kept.
 *
 * The salts of today, and shortly before midnight of tomorrow, are asked for ahead of the visits,
 * so that these need not wait: as soon as the store is there. While the store has not told one,
 * visitors are not told apart.
 */
#ifndef VISITCOUNTD_HTTP_VISITOR_H
#define VISITCOUNTD_HTTP_VISITOR_H

#include "count/engine.h"
#include "http/request/client.h"
#include "http/visit/sites.h"
#include "http/visit/target.h"
#include "http/visit/trouble.h"
#include "loop/loop.h"
#include "store/store.h"

struct visitors;

/** Begins to ask for the salts that `sites` need; loop and store outlive it. */
struct visitors *visitors_create(struct loop *loop, struct store *store, const struct sites *sites);

/** Forgets all salts. NULL is allowed. */
void visitors_destroy(struct visitors *visitors);

/** Takes over the sites of a new configuration. */
void visitors_configure(struct visitors *visitors, const struct sites *sites);

/** Whether all salts are known that are needed now. */
bool visitors_are_told_apart(const struct visitors *visitors);

/** What the store says to the question for the salts. */
const struct trouble *visitors_trouble(const struct visitors *visitors);

/** Whether the store, which is there, was asked for the first salts, and has not answered yet. */
bool visitors_are_awaited(const struct visitors *visitors);

/**
 * Sets what `visit`, of which the second is set, says of its visitor and its day, for a site that
 * counts unique visitors in one way or another: `visitor`, or 0 where there is nothing to tell them
 * apart by (no address, no salt, DNT or Sec-GPC), `day` and `pages_max`. Where the site counts a
 * visitor once a day, the token is set too, into `pool`, in place of the one that the visit has.
 */
void visitors_identify(struct visitors *visitors, h2o_mem_pool_t *pool, const struct client *client,
                       const struct target *target, struct visit *visit);

#endif
