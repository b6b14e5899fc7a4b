/* SPDX-License-Identifier: MIT */
/**
 * parcel: what a batch says to the store, in one piece of memory that never changes: it can be sent
 * again as often as needed, long after the visits in it were answered.
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
    uint64_t hits;              /* of all entries */
    bool is_addressed;          /* its sequence and visits are fixed: it stands in the journal */
    uint64_t answered_at_ms;    /* on the monotonic clock; once it was */
    size_t size_bytes;          /* of its memory */
};

/**
 * A parcel with a copy of hour, second, entries and tokens of `content`. Sequence, visits and what
 * it follows are set when it is sent.
 */
struct parcel *parcel_create(const struct store_batch *content);

/** NULL is allowed. */
void parcel_destroy(struct parcel *parcel);

#endif
