/* SPDX-License-Identifier: MIT */
/** watchlist: the watched sites of a store, with the number of watches of each. */
#ifndef VISITCOUNTD_STORE_WATCHLIST_H
#define VISITCOUNTD_STORE_WATCHLIST_H

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>

/** Embedded in a store. Its members are private. */
struct watchlist {
    struct map sites;
};

/** Initialises an empty list. Finish it with watchlist_finish(). */
void watchlist_init(struct watchlist *list);

/** Frees all watches. */
void watchlist_finish(struct watchlist *list);

/** Adds a watch of `site`. Returns whether it is the first one. */
bool watchlist_add(struct watchlist *list, const char *site);

/** Removes a watch of `site`. Returns whether it was the last one; false if there was none. */
bool watchlist_remove(struct watchlist *list, const char *site);

/** Returns whether `site` is watched. */
bool watchlist_has(const struct watchlist *list, const char *site);

/** Returns whether no site is watched. */
bool watchlist_is_empty(const struct watchlist *list);

/** Calls `visit` for each site. `visit` must not change the list. */
void watchlist_for_each(const struct watchlist *list, void (*visit)(void *data, const char *site),
                        void *data);

#endif
