/* SPDX-License-Identifier: MIT */
/** sim_copy: memcpy(3) for ranges that may be empty. The pointers of an empty range may be NULL. */
#ifndef VISITCOUNTD_SIM_COPY_H
#define VISITCOUNTD_SIM_COPY_H

#include <stddef.h>
#include <string.h>

/** Copies `length` bytes, which must not overlap. Ignores the pointers if `length` is 0. */
static inline void sim_copy(void *to, const void *from, size_t length)
{
    if (length != 0) {
        memcpy(to, from, length);
    }
}

#endif
