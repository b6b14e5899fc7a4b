/* SPDX-License-Identifier: MIT */
/**
 * backoff: the delay before the next attempt after a failure. It grows exponentially, with full
 * jitter, so that instances that failed together do not retry together (M. Brooker, "Exponential
 * Backoff And Jitter", AWS Architecture Blog, 2015). This module also has the source of random
 * bytes.
 */
#ifndef VISITCOUNTD_BASE_BACKOFF_H
#define VISITCOUNTD_BASE_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The longest first delay, and the longest delay of all. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   5000

/** The longest delay during the first minute. It is short because a failover takes some seconds. */
#define BACKOFF_EARLY_MAX_MS 500
#define BACKOFF_EARLY_MS     60000

/** Zero before the first failure. */
struct backoff {
    unsigned doublings;   /* how often the first limit was doubled */
    uint64_t began_at_ms; /* monotonic time of the first failure in a row; 0: no failure */
};

/** Resets the back-off after a success, so that the next delay is short again. */
static inline void backoff_reset(struct backoff *backoff)
{
    *backoff = (struct backoff){0};
}

/** Whether an attempt failed since the last success. */
static inline bool backoff_has_begun(const struct backoff *backoff)
{
    return backoff->began_at_ms != 0;
}

/** Returns the delay in ms between a failure and the next attempt, at least 1. */
uint64_t backoff_next_ms(struct backoff *backoff);

#endif
