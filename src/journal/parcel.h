/* SPDX-License-Identifier: MIT */
/**
 * parcel: a sealed batch, in one piece of memory. It can be sent again long after its visits were
 * answered, and counts the same each time.
 *
 * It owns its bytes. Site and epoch belong to its session.
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
    struct store_batch content; /* site and epoch are unset */
    uint64_t hits;              /* of all entries, as first sent */
    bool is_addressed;       /* its sequence and visits are fixed, because it is in the journal */
    uint64_t answered_at_ms; /* on the monotonic clock; set by the answer */
    size_t size_bytes;       /* its memory */
};

/**
 * Creates a parcel with a copy of hour, day, second, limit, entries, tokens and visitors of
 * `content`. Sequence, visits and the sequence that it follows are set before it is sent.
 */
struct parcel *parcel_create(const struct store_batch *content);

/**
 * Records that the store applied the parcel with these totals. Sets the hits of pages that the
 * store refused to 0, and drops their tokens and visitors and the limit of pages. So a resend has
 * the same result, whatever pages the site has by then.
 */
void parcel_settle(struct parcel *parcel, const uint64_t *totals);

/** NULL is allowed. */
void parcel_destroy(struct parcel *parcel);

#endif
