/* SPDX-License-Identifier: MIT */
/**
 * bots: recognises bots by their user agent. The list, bots.txt, is embedded in the daemon.
 *
 * Verdicts are cached in a table of fixed size under a keyed hash. No user agent is kept.
 */
#ifndef VISITCOUNTD_HTTP_BOTS_H
#define VISITCOUNTD_HTTP_BOTS_H

#include "config/config_fields.h"

#include <stdbool.h>
#include <stddef.h>

struct bots;

/** The words of a site's own. */
struct bots_own;

/**
 * Parses a list in the format of bots.txt, or bots.txt itself if `list` is NULL. Aborts if
 * memory or random bytes are missing.
 */
struct bots *bots_create(const char *list);

/** NULL is allowed. */
void bots_destroy(struct bots *bots);

/**
 * Whether the list matches the user agent. Only its first kilobyte is searched. An empty user agent
 * does not match.
 */
bool bots_match(struct bots *bots, const char *user_agent, size_t length);

/**
 * Creates the words of a site: a user agent with one of `excepted` counts; another one with one of
 * `added` is a bot's; the list decides about the rest. The words are found anywhere, in lower or
 * upper case. Copies them. Returns NULL if there are none.
 */
struct bots_own *bots_own_create(const struct config_strings *added,
                                 const struct config_strings *excepted);

/** NULL is allowed. */
void bots_own_destroy(struct bots_own *own);

/** Like bots_match(), with the words of a site. `own` is NULL without any. */
bool bots_match_own(struct bots *bots, const struct bots_own *own, const char *user_agent,
                    size_t length);

/** Returns how many verdicts came from a search of the list and not from the cache. For tests. */
size_t bots_looked_up(const struct bots *bots);

#endif
