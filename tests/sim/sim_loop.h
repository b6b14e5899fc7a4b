/* SPDX-License-Identifier: MIT */
/**
 * sim_loop: the timers and tasks of loop/loop.h in simulated time. It replaces loop/loop.c. It has
 * no descriptors and no signals.
 */
#ifndef VISITCOUNTD_TESTS_SIM_LOOP_H
#define VISITCOUNTD_TESTS_SIM_LOOP_H

#include "loop/loop.h"

/**
 * Runs all timers that are due, then all tasks, as a turn does. Repeats that until nothing is due.
 */
void sim_loop_run_due(struct loop *loop);

/** When the next timer expires; UINT64_MAX for never. */
uint64_t sim_loop_next_ms(const struct loop *loop);

#endif
