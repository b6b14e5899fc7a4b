/* SPDX-License-Identifier: MIT */
/**
 * redis_error: what an error of Redis or Valkey says about whom it concerns.
 */
#ifndef VISITCOUNTD_STORE_REDIS_ERROR_H
#define VISITCOUNTD_STORE_REDIS_ERROR_H

#include "store/store.h"

/**
 * Whom an error reply concerns, without the "-" in front of it. It concerns all sites when the
 * server takes no writes, no scripts, or nothing of this user. Whatever names keys, and whatever is
 * not known, concerns the site that was asked for.
 */
enum store_scope redis_error_scope(const char *error);

#endif
