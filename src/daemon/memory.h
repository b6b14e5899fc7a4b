/* SPDX-License-Identifier: MIT */
/**
 * memory: gives memory back to the kernel after a peak. The C library keeps freed memory that lies
 * between blocks in use; it may need it again. After a peak that can be most of the process.
 *
 * A timer looks every ten seconds; visits do nothing for it. If at least MEMORY_EXCESS_BYTES are
 * resident and not in use, malloc_trim(3) returns them. If it returns little, because all pages are
 * partly in use, it is not called again until there is as much more.
 */
#ifndef VISITCOUNTD_DAEMON_MEMORY_H
#define VISITCOUNTD_DAEMON_MEMORY_H

#include "loop/loop.h"

#include <stdint.h>

#define MEMORY_EXCESS_BYTES (UINT64_C(8) << 20)

/** Embedded in its owner. */
struct memory {
    struct loop *loop;
    struct loop_timer look;
    uint64_t kept_bytes; /* the excess that the last call could not return */
};

/** Starts to look. `loop` must outlive it. */
void memory_init(struct memory *memory, struct loop *loop);

/** Stops to look. Harmless after zeroing instead of memory_init(). */
void memory_finish(struct memory *memory);

#endif
