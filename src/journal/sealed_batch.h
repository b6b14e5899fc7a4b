/* SPDX-License-Identifier: MIT */
/**
 * sealed_batch: a sealed batch, in one piece of memory. It can be sent again long after its visits
 * were answered, and counts the same each time.
 *
 * It owns its bytes. Site and epoch belong to its session.
 */
#ifndef VISITCOUNTD_COUNT_SEALED_BATCH_H
#define VISITCOUNTD_COUNT_SEALED_BATCH_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sealed_batch {
    struct list link;
    struct store_batch content; /* site and epoch are unset */
    uint64_t hits;              /* of all entries, as first sent */
    bool is_addressed;       /* its sequence and visits are fixed, because it is in the journal */
    uint64_t answered_at_ms; /* on the monotonic clock; set by the answer */
    size_t size_bytes;       /* its memory */
};

/**
 * Creates a sealed batch with a copy of hour, day, second, limit, entries, tokens and visitors of
 * `content`. Sequence, visits and the sequence that it follows are set before it is sent.
 */
struct sealed_batch *sealed_batch_create(const struct store_batch *content);

/**
 * Records that the store applied the sealed batch with these totals. Sets the hits of pages that
 * the store refused to 0, and drops their tokens and visitors and the limit of pages. So a resend
 * has the same result, whatever pages the site has by then.
 */
void sealed_batch_settle(struct sealed_batch *sealed_batch, const uint64_t *totals);

/** NULL is allowed. */
void sealed_batch_destroy(struct sealed_batch *sealed_batch);

#endif
