/* SPDX-License-Identifier: MIT */
/**
 * log_capture: what is written to standard error, kept instead of shown, so that a test can look at
 * the lines of the log.
 */
#ifndef VISITCOUNTD_TESTS_LOG_CAPTURE_H
#define VISITCOUNTD_TESTS_LOG_CAPTURE_H

#include <stddef.h>

/** Begins to keep what is written. */
void log_capture_begin(void);

/** Shows again what is written; returns what was kept, until the next log_capture_end(). */
const char *log_capture_end(void);

/** How often `part` stands in `text`. */
size_t count_in_text(const char *text, const char *part);

#endif
