/* SPDX-License-Identifier: MIT */
/**
 * sweep_clock: decides whether the wall clock is reliable enough to delete old data. A clock that
 * is ahead for a moment must not delete data that is still wanted.
 *
 * The *known* time is the end of a day that has certainly begun. It advances with the monotonic
 * clock. The wall clock is *proven* when it has agreed with the monotonic clock for an hour and is
 * at most SWEEP_NEAR_MS after the known time.
 *
 * Pure logic: the caller reads the clocks. Wall times are in ms since 1970, monotonic times in ms.
 */
#ifndef VISITCOUNTD_STORE_SWEEP_CLOCK_H
#define VISITCOUNTD_STORE_SWEEP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** How long both clocks must agree. */
#define SWEEP_AGREED_MS 3600000

/** Clocks agree while their difference changes by at most this since the agreement began. */
#define SWEEP_TOLERANCE_MS 10000

/** How far a proven wall clock may be after the known time: 31 days. */
#define SWEEP_NEAR_MS (31 * UINT64_C(86400000))

/** Stands for a missing known time. */
#define SWEEP_UNKNOWN UINT64_MAX

struct sweep_clock {
    uint64_t wall_ms; /* both clocks at the last look */
    uint64_t monotonic_ms;
    uint64_t agreed_wall_ms; /* both clocks when the agreement began */
    uint64_t agreed_monotonic_ms;
    uint64_t known_ms; /* the known time, and the monotonic time when it was set */
    uint64_t known_monotonic_ms;
};

/**
 * Initialises the clock. `known_ms` is the end of a day that has certainly begun, or SWEEP_UNKNOWN.
 */
void sweep_clock_init(struct sweep_clock *clock, uint64_t known_ms, uint64_t wall_ms,
                      uint64_t monotonic_ms);

/** Updates both clocks. */
void sweep_clock_look(struct sweep_clock *clock, uint64_t wall_ms, uint64_t monotonic_ms);

/** Returns whether the clocks have agreed for SWEEP_AGREED_MS. */
bool sweep_clock_is_agreed(const struct sweep_clock *clock);

/** Returns whether the wall clock is at most SWEEP_NEAR_MS after the known time. */
bool sweep_clock_is_near(const struct sweep_clock *clock);

/** Raises the known time to `known_ms`, the end of a day that has begun according to the data. */
void sweep_clock_learn(struct sweep_clock *clock, uint64_t known_ms);

/** Returns whether the wall clock is proven. */
bool sweep_clock_is_proven(const struct sweep_clock *clock);

/** Returns the wall clock if it is proven, else the earlier of wall clock and known time. */
uint64_t sweep_clock_now_ms(const struct sweep_clock *clock);

/** Returns the later of wall clock and known time, for entries that must not look old too early. */
uint64_t sweep_clock_latest_ms(const struct sweep_clock *clock);

#endif
