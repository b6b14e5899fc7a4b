/* SPDX-License-Identifier: MIT */
/**
 * parcel: what a batch says to the store, in one piece of memory: it can be sent again as often as
 * needed, long after the visits in it were answered. What it counts never changes.
 *
 * It owns its bytes. Site and epoch are not in it: they are its flow's.
 */
#ifndef VISITCOUNTD_COUNT_PARCEL_H
#define VISITCOUNTD_COUNT_PARCEL_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parcel {
    struct list link;
    struct store_batch content; /* without site and epoch */
    uint64_t hits;              /* of all entries, as they were sent first */
    bool is_addressed;          /* its sequence and visits are fixed: it stands in the journal */
    uint64_t answered_at_ms;    /* on the monotonic clock; once it was */
    size_t size_bytes;          /* of its memory */
};

/**
 * A parcel with a copy of hour, day, second, limit, entries, tokens and visitors of `content`.
 * Sequence, visits and what it follows are set when it is sent.
 */
struct parcel *parcel_create(const struct store_batch *content);

/**
 * The store has applied the parcel with these totals. Whenever it is sent again, the same is to
 * come of it, whatever pages there are then: what was refused is taken out, and the rest needs no
 * room.
 */
void parcel_settle(struct parcel *parcel, const uint64_t *totals);

/** NULL is allowed. */
void parcel_destroy(struct parcel *parcel);

#endif
