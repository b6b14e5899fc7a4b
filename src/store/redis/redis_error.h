/* SPDX-License-Identifier: MIT */
/** redis_error: which sites an error reply of Redis or Valkey affects. */
#ifndef VISITCOUNTD_STORE_REDIS_ERROR_H
#define VISITCOUNTD_STORE_REDIS_ERROR_H

#include "store/store.h"

#include <stdbool.h>

/**
 * Returns the scope of an error reply; `error` is its text without the leading "-". An error
 * affects all sites if the server rejects all writes, all scripts, or every command of this user.
 * Errors that name keys and unknown errors affect only the site of the command.
 */
enum store_scope redis_error_scope(const char *error);

/** Whether the server refused a write because its memory is full (OOM). */
bool redis_error_is_full(const char *error);

#endif
