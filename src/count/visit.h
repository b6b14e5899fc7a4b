/* SPDX-License-Identifier: MIT */
/** visit: one visit of a page, embedded in its owner, and the answer to it. */
#ifndef VISITCOUNTD_COUNT_VISIT_H
#define VISITCOUNTD_COUNT_VISIT_H

#include "base/list.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum visit_status {
    VISIT_COUNTED, /* in the store, exactly once */
    VISIT_DUPLICATE,
    /* a duplicate: its token was counted before */
    VISIT_JOURNALED, /* on this machine's disk: it is counted when the store is back */
    VISIT_REFUSED,   /* certainly not counted */
    VISIT_TOO_MANY_PAGES,
    /* certainly not counted: its page is new, and the site has reached its limit of pages */
    VISIT_UNKNOWN /* may have been counted: the store did not confirm it in time */
};

struct visit_answer {
    enum visit_status status;
    uint64_t count; /* COUNTED: this visit's number; DUPLICATE: the page's total */
    /* JOURNALED: an estimate of its number; 0: there is none */
    uint64_t replicas;        /* COUNTED, DUPLICATE: replicas that confirmed it in time */
    uint64_t replicas_wanted; /* of this many; 0: replicas were not waited for */
    /**
     * COUNTED, DUPLICATE: the page's visitors of today. STORE_NONE if they were not asked for or
     * are not known.
     */
    uint64_t uniques;
    const char *reason; /* other statuses: why, in words; never NULL */
};

/** One visit, embedded in the object that waits for its number. */
struct visit {
    void (*on_answer)(struct visit *visit, const struct visit_answer *answer);
    /** The deduplication token, at most STORE_TOKEN_MAX bytes, owned by the caller. NULL: none. */
    const char *token;
    size_t token_length;
    enum store_window token_window;
    uint64_t second;    /* time of arrival in seconds since 1970 */
    uint64_t day;       /* days since 1970 in the site's time zone */
    uint64_t pages_max; /* the site's limit of pages; 0: none */
    uint64_t visitor;   /* hash of the visitor; 0: not identified */
    bool wants_uniques; /* the answer has to contain the page's visitors of that day */

    /* owned by the engine */
    struct list link;
    struct visit_answer answer; /* set by batch_answer() */
    uint64_t position;          /* among the page's visits in the batch, from 0 */
    uint64_t accepted_at_us;
    uint64_t deadline_ms; /* on the clock of loop_patience_ms() */
};

#endif
