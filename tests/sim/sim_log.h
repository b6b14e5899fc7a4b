/* SPDX-License-Identifier: MIT */
/**
 * sim_log: prints the events of a run, one per line, with the time of the simulation. It is silent
 * by default. It replaces base/log.c and prints the log lines of the code among its own.
 */
#ifndef VISITCOUNTD_TESTS_SIM_LOG_H
#define VISITCOUNTD_TESTS_SIM_LOG_H

#include <stdbool.h>

/** Whether to show lines. */
void sim_log_show(bool show);

/** Prints a line of the simulation itself. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
