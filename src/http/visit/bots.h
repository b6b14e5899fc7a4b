/* SPDX-License-Identifier: MIT */
/**
 * bots: whether a user agent says that it is a program: bots.txt, which is part of the daemon.
 *
 * Verdicts are remembered by a keyed hash, in a table of fixed size; no user agent is kept.
 */
#ifndef VISITCOUNTD_HTTP_BOTS_H
#define VISITCOUNTD_HTTP_BOTS_H

#include <stdbool.h>
#include <stddef.h>

struct bots;

/** Reads a list of the form of bots.txt, which stays as long as `bots`; NULL: bots.txt itself. */
struct bots *bots_create(const char *list);

/** NULL is allowed. */
void bots_destroy(struct bots *bots);

/** Whether the list has it; only the first kilobyte is looked at. An empty one is none. */
bool bots_match(struct bots *bots, const char *user_agent, size_t length);

/** How many verdicts were found by looking through the list, for tests. */
size_t bots_looked_up(const struct bots *bots);

#endif
