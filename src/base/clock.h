/* SPDX-License-Identifier: MIT */
/**
 * clock: what time it is. Deadlines and durations use the monotonic clock only; the wall clock is
 * for what people and other machines read (hours of a series, timestamps).
 */
#ifndef VISITCOUNTD_BASE_CLOCK_H
#define VISITCOUNTD_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds of CLOCK_MONOTONIC. */
uint64_t clock_monotonic_ms(void);

/** Microseconds of CLOCK_MONOTONIC, for latencies. */
uint64_t clock_monotonic_us(void);

/** Milliseconds since 1970-01-01T00:00:00Z by the machine's wall clock. */
uint64_t clock_wall_ms(void);

#endif
