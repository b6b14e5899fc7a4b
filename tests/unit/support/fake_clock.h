/* SPDX-License-Identifier: MIT */
/**
 * fake_clock: stops the clocks of base/clock.h, so that a test decides the time. It also turns the
 * loop by hand, so that a test never waits.
 *
 * It replaces clock_gettime(2) in the whole program, but only for CLOCK_MONOTONIC and
 * CLOCK_REALTIME, and only from fake_clock_stop() to fake_clock_release().
 */
#ifndef VISITCOUNTD_TESTS_FAKE_CLOCK_H
#define VISITCOUNTD_TESTS_FAKE_CLOCK_H

#include "loop/loop.h"

#include <stdint.h>

/** Stops both clocks at these times. If they are stopped already, sets them. */
void fake_clock_stop(uint64_t monotonic_ms, uint64_t wall_ms);

/** Lets the clocks run again. */
void fake_clock_release(void);

/** Moves the stopped clocks forward. */
void fake_clock_advance(uint64_t ms);

/** Runs `turns` turns of the loop, which do not sleep. */
void loop_turn(struct loop *loop, unsigned turns);

/** Moves the stopped clocks forward by `ms` in steps of `step_ms`, with a few turns in each. */
void loop_advance(struct loop *loop, uint64_t ms, uint64_t step_ms);

#endif
