/* SPDX-License-Identifier: MIT */
/**
 * trim: gives memory back to the system after a peak. free(3) keeps freed memory for later, unless
 * it is at the end of the heap. After a peak, most of it is between blocks that are still in use.
 *
 * Once a minute it compares the memory that the process holds with the memory in use. If the
 * difference has grown by TRIM_MIN_BYTES, it calls malloc_trim(3). That takes about a millisecond
 * for 20 MiB.
 */
#ifndef VISITCOUNTD_DAEMON_TRIM_H
#define VISITCOUNTD_DAEMON_TRIM_H

#include "loop/loop.h"

#include <stdint.h>

/** Time between two looks. */
#define TRIM_INTERVAL_MS 60000

/** Growth of the unused memory at which it is given back. */
#define TRIM_MIN_BYTES (4 << 20)

/** Embedded in its owner. */
struct trim {
    struct loop *loop;
    struct loop_timer timer;
    uint64_t unused_bytes; /* the least since the last trim: what cannot be given back */
};

/** Starts to look. `loop` must outlive it. */
void trim_init(struct trim *trim, struct loop *loop);

/** Stops. */
void trim_finish(struct trim *trim);

#endif
