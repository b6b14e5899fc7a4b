/* SPDX-License-Identifier: MIT */
/**
 * bots: recognises bots by their user agent. The list, bots.txt, is embedded in the daemon.
 *
 * Verdicts are cached in a table of fixed size under a keyed hash. No user agent is kept.
 */
#ifndef VISITCOUNTD_HTTP_BOTS_H
#define VISITCOUNTD_HTTP_BOTS_H

#include <stdbool.h>
#include <stddef.h>

struct bots;

/**
 * Parses a list in the format of bots.txt, or bots.txt itself if `list` is NULL. `list` must
 * outlive the result. Aborts if memory or random bytes are missing.
 */
struct bots *bots_create(const char *list);

/** NULL is allowed. */
void bots_destroy(struct bots *bots);

/**
 * Whether the list matches the user agent. Only its first kilobyte is searched. An empty user agent
 * does not match.
 */
bool bots_match(struct bots *bots, const char *user_agent, size_t length);

/** Returns how many verdicts came from a search of the list and not from the cache. For tests. */
size_t bots_looked_up(const struct bots *bots);

#endif
