/* SPDX-License-Identifier: MIT */
/** log_capture: captures standard error, so that a test can check the lines of the log. */
#ifndef VISITCOUNTD_TESTS_LOG_CAPTURE_H
#define VISITCOUNTD_TESTS_LOG_CAPTURE_H

#include <stddef.h>

/** Begins to capture standard error. */
void log_capture_begin(void);

/**
 * Ends the capture and returns the captured text, which is valid until the next log_capture_end().
 */
const char *log_capture_end(void);

/** How often `part` stands in `text`. */
size_t count_in_text(const char *text, const char *part);

#endif
