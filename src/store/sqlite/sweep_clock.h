/* SPDX-License-Identifier: MIT */
/**
 * sweep_clock: how far a wall clock may be believed when old data is deleted. A clock that is ahead
 * for a moment must not delete what is still wanted.
 *
 * The wall clock is *proven* when it has agreed with the monotonic clock for an hour and is at most
 * SWEEP_NEAR_MS after the time that was known before. Until then the known time goes on by the
 * monotonic clock.
 *
 * Pure logic: the caller reads the clocks. Times are in ms since 1970, monotonic ones in ms.
 */
#ifndef VISITCOUNTD_STORE_SWEEP_CLOCK_H
#define VISITCOUNTD_STORE_SWEEP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** For how long both clocks must agree. */
#define SWEEP_AGREED_MS 3600000

/** Clocks agree while they differ by no more than this since they were last found apart. */
#define SWEEP_TOLERANCE_MS 10000

/** How far the wall clock may be after the known time: 31 days. */
#define SWEEP_NEAR_MS (31 * UINT64_C(86400000))

/** In place of a known time: there is none. */
#define SWEEP_UNKNOWN UINT64_MAX

struct sweep_clock {
    uint64_t wall_ms; /* as last looked at */
    uint64_t monotonic_ms;
    uint64_t agreed_wall_ms; /* both clocks when the agreement began */
    uint64_t agreed_monotonic_ms;
    uint64_t known_ms; /* the known time, and when it was that */
    uint64_t known_monotonic_ms;
};

/** Begins; `known_ms` is the end of a day that has certainly come, or SWEEP_UNKNOWN. */
void sweep_clock_init(struct sweep_clock *clock, uint64_t known_ms, uint64_t wall_ms,
                      uint64_t monotonic_ms);

/** Looks at both clocks. */
void sweep_clock_look(struct sweep_clock *clock, uint64_t wall_ms, uint64_t monotonic_ms);

/** Whether the clocks have agreed for long enough. */
bool sweep_clock_is_agreed(const struct sweep_clock *clock);

/** Whether the wall clock is near the known time. */
bool sweep_clock_is_near(const struct sweep_clock *clock);

/** Notes that `known_ms` has come: the data shows it. */
void sweep_clock_learn(struct sweep_clock *clock, uint64_t known_ms);

/** Whether the wall clock is proven. */
bool sweep_clock_is_proven(const struct sweep_clock *clock);

/** The wall clock when it is proven, else the earlier one of it and the known time. */
uint64_t sweep_clock_now_ms(const struct sweep_clock *clock);

/** The later one of the wall clock and the known time: for what must not look old too early. */
uint64_t sweep_clock_latest_ms(const struct sweep_clock *clock);

#endif
