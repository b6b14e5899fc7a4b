/* SPDX-License-Identifier: MIT */
/**
 * known_visitors: a cache of the visitors that this process has sent to the store, per page. A
 * visitor who returns on the same day need not be sent again.
 *
 * The table has a fixed size, and a new entry replaces an old one at random. A visitor that is not
 * found is sent once more, which changes nothing. Visitor hashes depend on the day's salt and the
 * site, so the key needs neither. Pages are identified by the hashes of maps. Clients know neither
 * kind of hash, so they cannot provoke collisions.
 */
#ifndef VISITCOUNTD_COUNT_KNOWN_VISITORS_H
#define VISITCOUNTD_COUNT_KNOWN_VISITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Embedded in its owner, who sets it to zero. */
struct known_visitors {
    uint64_t *marks; /* NULL until the first visitor */
};

/**
 * Empties the cache and frees its memory. Also for when the store went back in time, or a page was
 * deleted.
 */
void known_visitors_forget(struct known_visitors *visitors);

/** Slots of the table: 512 KiB. */
#define KNOWN_VISITORS_SLOTS 65536

/** Allocates the empty table. */
void known_visitors_allocate(struct known_visitors *visitors);

/** Identifies a visitor of a page; never 0. */
static inline uint64_t known_visitors_mark(uint64_t visitor, uint64_t page_hash)
{
    uint64_t mark = visitor ^ page_hash;

    return mark != 0 ? mark : 1;
}

/** Records that the store has `visitor`, which is not 0, for the page whose name has this hash. */
static inline void known_visitors_note(struct known_visitors *visitors, uint64_t visitor,
                                       uint64_t page_hash)
{
    uint64_t mark = known_visitors_mark(visitor, page_hash);

    if (visitors->marks == NULL) {
        known_visitors_allocate(visitors);
    }
    visitors->marks[mark % KNOWN_VISITORS_SLOTS] = mark;
}

/** Whether the visitor is in the cache for this page. */
static inline bool known_visitors_have(const struct known_visitors *visitors, uint64_t visitor,
                                       uint64_t page_hash)
{
    uint64_t mark = known_visitors_mark(visitor, page_hash);

    return visitors->marks != NULL && visitors->marks[mark % KNOWN_VISITORS_SLOTS] == mark;
}

#endif
