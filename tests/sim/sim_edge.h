/* SPDX-License-Identifier: MIT */
/**
 * sim_edge: a client's token at the edge of its window, in a quiet world: it is repeated just
 * inside, at any instance, and is known; long after that it is forgotten, and counts anew.
 */
#ifndef VISITCOUNTD_TESTS_SIM_EDGE_H
#define VISITCOUNTD_TESTS_SIM_EDGE_H

#include "sim_world_inside.h"

void sim_edge_run(struct world *world);

#endif
