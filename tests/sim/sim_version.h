/* SPDX-License-Identifier: MIT */
/**
 * sim_version: instances of a version before 0.2, as far as the store can tell them from others.
 *
 * All instances run the code of now. An old one differs in two things: its batches are applied by
 * the old rules (see enum sim_version), and its epochs are 128 random bits, which say no
 * generation. For that, the calls in which the engine begins an epoch are bound to this module when
 * the simulator is linked (ld --wrap). What it writes into its journal is then what such a version
 * wrote.
 */
#ifndef VISITCOUNTD_TESTS_SIM_VERSION_H
#define VISITCOUNTD_TESTS_SIM_VERSION_H

#include "sim_database.h"

/** Sets of which version the instance is whose code runs from here on. */
void sim_version_use(enum sim_version version);

#endif
