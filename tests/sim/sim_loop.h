/* SPDX-License-Identifier: MIT */
/**
 * sim_loop: the timers and tasks of loop/loop.h in the time of the simulation. It takes the place
 * of loop/loop.c; there are no descriptors and no signals.
 */
#ifndef VISITCOUNTD_TESTS_SIM_LOOP_H
#define VISITCOUNTD_TESTS_SIM_LOOP_H

#include "loop/loop.h"

/** Runs what is due now: timers, then tasks, as a turn does; again until nothing is. */
void sim_loop_run_due(struct loop *loop);

/** When the next timer expires; UINT64_MAX for never. */
uint64_t sim_loop_next_ms(const struct loop *loop);

#endif
