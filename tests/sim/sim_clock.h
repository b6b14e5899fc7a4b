/* SPDX-License-Identifier: MIT */
/**
 * sim_clock: time and chance of the simulation. Both depend only on the seed. It replaces
 * base/clock.c, and getrandom(2), which base/ uses.
 */
#ifndef VISITCOUNTD_TESTS_SIM_CLOCK_H
#define VISITCOUNTD_TESTS_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** Begins a run: sets the clocks and both generators. */
void sim_clock_begin(uint64_t seed);

/** Moves the monotonic clock to `now_ms`, not backwards, and the wall clock by as much. */
void sim_clock_advance_to(uint64_t now_ms);

/**
 * Sets the error of the wall clock of the instance whose code runs from here on. An administrator
 * or a wrong time server would set it like that.
 */
void sim_clock_use(int64_t wall_off_ms);

/**
 * The scenario's random numbers. They are separate from those that getrandom(2) gives to the code
 * under test.
 */
uint64_t sim_draw(uint64_t below);                        /* 0 … below - 1 */
uint64_t sim_draw_between(uint64_t least, uint64_t most); /* both included */
bool sim_chance(unsigned per_mille);

/** From `least` to `most`; each magnitude is equally likely. */
uint64_t sim_draw_skewed(uint64_t least, uint64_t most);

#endif
