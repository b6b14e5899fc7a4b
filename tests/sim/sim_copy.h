/* SPDX-License-Identifier: MIT */
/** sim_copy: copies of what may be empty, and then at NULL, which memcpy(3) does not take. */
#ifndef VISITCOUNTD_SIM_COPY_H
#define VISITCOUNTD_SIM_COPY_H

#include <stddef.h>
#include <string.h>

/** Copies `length` bytes, none of them overlapping; with 0 the pointers are not looked at. */
static inline void sim_copy(void *to, const void *from, size_t length)
{
    if (length != 0) {
        memcpy(to, from, length);
    }
}

#endif
