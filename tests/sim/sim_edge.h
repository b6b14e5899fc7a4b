/* SPDX-License-Identifier: MIT */
/**
 * sim_edge: a client's token at the edge of its window, in a quiet world. A repetition just inside
 * the window is recognised at any instance. Long after the window the token has expired, and a new
 * visit counts.
 */
#ifndef VISITCOUNTD_TESTS_SIM_EDGE_H
#define VISITCOUNTD_TESTS_SIM_EDGE_H

#include "sim_world_inside.h"

void sim_edge_run(struct world *world);

#endif
