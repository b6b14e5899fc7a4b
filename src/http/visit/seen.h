/* SPDX-License-Identifier: MIT */
/**
 * seen: a set of fixed size of 64-bit hashes. It remembers which pages and visitors this process
 * has seen in the store, so that only new ones are charged to a budget.
 *
 * An entry may replace another one. A forgotten page or visitor is charged once more. The store's
 * answer shows whether a page existed; then its charge is given back. The hashes depend on a
 * secret of the process or of the day, so clients cannot provoke collisions.
 */
#ifndef VISITCOUNTD_HTTP_SEEN_H
#define VISITCOUNTD_HTTP_SEEN_H

#include <stdbool.h>
#include <stdint.h>

/** Embedded in its owner, who sets it to zero. Takes 512 KiB from the first entry on. */
struct seen {
    uint64_t *marks; /* NULL until the first entry */
};

/** Empties the set and frees its memory. */
void seen_finish(struct seen *seen);

/** Adds a hash. */
void seen_add(struct seen *seen, uint64_t hash);

/** Removes a hash. Changes nothing if the set does not have it. */
void seen_remove(struct seen *seen, uint64_t hash);

/** Whether the set has the hash. */
bool seen_has(const struct seen *seen, uint64_t hash);

#endif
