/* SPDX-License-Identifier: MIT */
/**
 * clock: reads the clocks. Deadlines and durations use the monotonic clock only. Timestamps and the
 * hours of a series use the wall clock, because users and other machines read them.
 */
#ifndef VISITCOUNTD_BASE_CLOCK_H
#define VISITCOUNTD_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds of CLOCK_MONOTONIC. */
uint64_t clock_monotonic_ms(void);

/** Microseconds of CLOCK_MONOTONIC, for latencies. */
uint64_t clock_monotonic_us(void);

/** Milliseconds since 1970-01-01T00:00:00Z on the machine's wall clock. */
uint64_t clock_wall_ms(void);

#endif
