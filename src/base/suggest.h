/* SPDX-License-Identifier: MIT */
/**
 * suggest: which known name somebody may have meant. Put a `struct suggestion` on the stack, offer
 * every known name, and ask for the nearest.
 */
#ifndef VISITCOUNTD_BASE_SUGGEST_H
#define VISITCOUNTD_BASE_SUGGEST_H

#include <stddef.h>

#define SUGGEST_NAME_MAX 96

struct suggestion {
    const char *wanted; /* what was written; stays the caller's */
    size_t distance;    /* of the nearest so far */
    char nearest[SUGGEST_NAME_MAX];
};

/** Begins a search for `wanted`. */
void suggestion_init(struct suggestion *suggestion, const char *wanted);

/** Offers a known name; it is copied when it is the nearest so far. */
void suggestion_offer(struct suggestion *suggestion, const char *known);

/**
 * The nearest name offered, or NULL when none is near: at most a third of its letters changed,
 * added, left out or swapped, or the same last part after a dot ("port" for "redis.port").
 */
const char *suggestion_get(const struct suggestion *suggestion);

#endif
