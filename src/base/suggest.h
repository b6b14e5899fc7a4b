/* SPDX-License-Identifier: MIT */
/**
 * suggest: finds the known name that is nearest to a misspelt one. Put a `struct suggestion` on the
 * stack, offer every known name, and get the nearest one.
 */
#ifndef VISITCOUNTD_BASE_SUGGEST_H
#define VISITCOUNTD_BASE_SUGGEST_H

#include <stddef.h>

#define SUGGEST_NAME_MAX 96

struct suggestion {
    const char *wanted; /* the misspelt name; owned by the caller */
    size_t distance;    /* of the nearest name so far */
    char nearest[SUGGEST_NAME_MAX];
};

/** Begins a search for `wanted`. */
void suggestion_init(struct suggestion *suggestion, const char *wanted);

/** Offers a known name. Copies it if it is the nearest so far. */
void suggestion_offer(struct suggestion *suggestion, const char *known);

/**
 * Returns the nearest name, or NULL if none is near. A name is near if at most a third of its
 * letters were changed, added, omitted or swapped. It is also near if its last part after a dot is
 * the same ("port" for "redis.port").
 */
const char *suggestion_get(const struct suggestion *suggestion);

#endif
