/* SPDX-License-Identifier: MIT */
/**
 * ctl_output: writes results to standard output and errors to standard error.
 */
#ifndef VISITCOUNTD_CMD_CTL_OUTPUT_H
#define VISITCOUNTD_CMD_CTL_OUTPUT_H

#include "base/buf.h"

/**
 * Writes each line of `text` to standard error, after the program's name and as
 * buf_put_printable() shows it. Returns `status`.
 */
int ctl_output_fail_with(int status, const struct buf *text);

/** The same with a formatted text. */
int ctl_output_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Writes `text` to standard output. Returns CTL_DONE, or CTL_OUTPUT after reporting the error. */
int ctl_output_print(const struct buf *text);

/**
 * Writes the output and errors of a command, and frees them. Returns `result`, or the status of the
 * output if that failed.
 */
int ctl_output_finish(int result, struct buf *out, struct buf *error);

#endif
