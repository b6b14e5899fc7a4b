/* SPDX-License-Identifier: MIT */
/**
 * watchlist: for stores: which sites are watched, and how often each.
 */
#ifndef VISITCOUNTD_STORE_WATCHLIST_H
#define VISITCOUNTD_STORE_WATCHLIST_H

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>

/** Embedded; its members are its own. */
struct watchlist {
    struct map sites;
};

void watchlist_init(struct watchlist *list);
void watchlist_finish(struct watchlist *list);

/** Watches `site` once more; returns whether it was not watched before. */
bool watchlist_add(struct watchlist *list, const char *site);

/** Watches `site` once less; returns whether it was watched and is not any more. */
bool watchlist_remove(struct watchlist *list, const char *site);

/** Whether `site` is watched. */
bool watchlist_has(const struct watchlist *list, const char *site);

/** Whether nothing is watched. */
bool watchlist_is_empty(const struct watchlist *list);

/** Calls `visit` with each site; it must not change the list. */
void watchlist_for_each(const struct watchlist *list, void (*visit)(void *data, const char *site),
                        void *data);

#endif
