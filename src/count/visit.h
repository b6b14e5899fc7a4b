/* SPDX-License-Identifier: MIT */
/**
 * visit: one visit of a page, embedded in its owner, and the answer that the owner gets.
 */
#ifndef VISITCOUNTD_COUNT_VISIT_H
#define VISITCOUNTD_COUNT_VISIT_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum visit_status {
    VISIT_COUNTED, /* in the store, exactly once */
    VISIT_REPEATED,
    /* its token had been seen before: it was counted then, and not again */
    VISIT_JOURNALED, /* on this machine's disk: it will be counted when the store is back */
    VISIT_REFUSED,   /* certainly not counted */
    VISIT_TOO_MANY_PAGES,
    /* likewise: its page is new, and the site has as many as it may have */
    VISIT_UNKNOWN /* may have been counted: the store did not say in time */
};

struct visit_answer {
    enum visit_status status;
    uint64_t count; /* VISIT_COUNTED: this visit's number; VISIT_REPEATED: the page's */
    /* VISIT_JOURNALED: an estimate of its number, 0 when there is nothing to estimate from */
    uint64_t replicas;        /* VISIT_COUNTED, VISIT_REPEATED: that have confirmed it in time, */
    uint64_t replicas_wanted; /* of how many; 0 where nobody waited for replicas */
    /**
     * VISIT_COUNTED, VISIT_REPEATED: how many visitors the page has today; STORE_NONE where that
     * was not wanted, or is not known.
     */
    uint64_t uniques;
    const char *reason; /* otherwise: why, for people; never NULL */
};

/** One visit, embedded in what waits for its number. */
struct visit {
    void (*on_answer)(struct visit *visit, const struct visit_answer *answer);
    /** What it would arrive under again, of at most STORE_TOKEN_MAX; the caller's. NULL: nothing.
     */
    const char *token;
    size_t token_length;
    enum store_window token_window;
    uint64_t second;    /* of its arrival, since 1970 */
    uint64_t day;       /* days since 1970 in the site's time zone */
    uint64_t pages_max; /* that the site may have; 0: no limit */
    uint64_t visitor;   /* hash of who visits; 0: not told apart from others */
    bool wants_uniques; /* the answer is to say how many visitors the page has that day */

    /* the engine's */
    struct list link;
    uint64_t position; /* among the page's visits of the batch, from 0 */
    uint64_t accepted_at_us;
    uint64_t deadline_ms; /* by loop_patience_ms() */
};

#endif
