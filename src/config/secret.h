/* SPDX-License-Identifier: MIT */
/**
 * secret: reads a secret, such as a password, from a file.
 */
#ifndef VISITCOUNTD_CONFIG_SECRET_H
#define VISITCOUNTD_CONFIG_SECRET_H

#include "base/buf.h"

/**
 * Reads the file at `path` into `ret_text`, which must be empty. Drops the newline at its end.
 * Returns NULL on success, else an error message. May be called on any thread.
 */
const char *secret_read(const char *path, struct buf *ret_text);

/**
 * Like secret_read(), for a running daemon. Returns an error for anything but a regular file,
 * because reading a pipe, for example, could block.
 */
const char *secret_read_again(const char *path, struct buf *ret_text);

#endif
