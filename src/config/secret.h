/* SPDX-License-Identifier: MIT */
/**
 * secret: reads the file of a secret, such as a password.
 */
#ifndef VISITCOUNTD_CONFIG_SECRET_H
#define VISITCOUNTD_CONFIG_SECRET_H

#include "base/buf.h"

/**
 * Reads the file of a secret into `ret_text`, which is empty: without the newline at its end.
 * Returns NULL, or what is wrong with the file. May be called on any thread.
 */
const char *secret_read(const char *path, struct buf *ret_text);

/**
 * Like secret_read(), of a daemon that runs: what is no file, such as a pipe that somebody has to
 * write to first, is not waited for.
 */
const char *secret_read_again(const char *path, struct buf *ret_text);

#endif
