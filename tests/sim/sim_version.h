/* SPDX-License-Identifier: MIT */
/**
 * sim_version: makes instances look to the store like a version before 0.2.
 *
 * All instances run the present code. An old one differs in two ways. The store applies its batches
 * by the old rules (see enum sim_version). Its epochs are 128 random bits without a generation: the
 * linker binds the calls that begin an epoch to this module (ld --wrap). So its journal has the
 * same content as one of such a version.
 */
#ifndef VISITCOUNTD_TESTS_SIM_VERSION_H
#define VISITCOUNTD_TESTS_SIM_VERSION_H

#include "sim_database.h"

/** Sets the version of the instance whose code runs from here on. */
void sim_version_use(enum sim_version version);

#endif
