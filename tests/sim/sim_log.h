/* SPDX-License-Identifier: MIT */
/**
 * sim_log: what happens, line by line with the time of the simulation, for a run that is looked at;
 * silent otherwise. It takes the place of base/log.c, whose lines it shows among its own.
 */
#ifndef VISITCOUNTD_TESTS_SIM_LOG_H
#define VISITCOUNTD_TESTS_SIM_LOG_H

#include <stdbool.h>

/** Whether to show lines. */
void sim_log_show(bool show);

/** One line of the simulation's own. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
