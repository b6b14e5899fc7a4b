/* SPDX-License-Identifier: MIT */
/**
 * backoff: how long to wait before trying again: exponential with full jitter, so that instances
 * that failed together do not come back together (M. Brooker, "Exponential Backoff And Jitter",
 * AWS Architecture Blog, 2015); and the random bytes that it and others need.
 */
#ifndef VISITCOUNTD_BASE_BACKOFF_H
#define VISITCOUNTD_BASE_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Limits of the first and of any delay: 50 ms … 5 s. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   5000

/** In the first minute no delay is longer than this: a failover takes some seconds. */
#define BACKOFF_EARLY_MAX_MS 500
#define BACKOFF_EARLY_MS     60000

/** Zero before the first failure. */
struct backoff {
    unsigned doublings;   /* of the first limit */
    uint64_t began_at_ms; /* monotonic time of the first failure in a row; 0: there was none */
};

/** After a success: the next delay is a short one again. */
static inline void backoff_reset(struct backoff *backoff)
{
    *backoff = (struct backoff){0};
}

/** Whether something failed since the last success. */
static inline bool backoff_has_begun(const struct backoff *backoff)
{
    return backoff->began_at_ms != 0;
}

/** Returns the delay in ms between a failure and the next attempt, at least 1. */
uint64_t backoff_next_ms(struct backoff *backoff);

/** Fills `bytes` from the kernel's generator; aborts when there is none. */
void random_bytes(void *bytes, size_t length);

#endif
