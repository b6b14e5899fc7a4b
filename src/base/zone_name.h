/* SPDX-License-Identifier: MIT */
/**
 * zone_name: names of time zones: which ones the tz database of this machine has, and what somebody
 * may have meant who wrote another one.
 *
 * The database is the directory TZDIR, or /usr/share/zoneinfo. A name is valid if it has a file of
 * it, whatever else it looks like: "UTC-3" is three hours *ahead* of UTC as a POSIX rule, and three
 * hours behind for most people.
 */
#ifndef VISITCOUNTD_BASE_ZONE_NAME_H
#define VISITCOUNTD_BASE_ZONE_NAME_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>

/** Longest name, in bytes. */
#define ZONE_NAME_MAX 64

/**
 * Whether the database has a zone of this name; then `ret_path` is its file. Not valid are names of
 * other files, of the machine's own zone ("localtime"), and the copies below "posix" and "right".
 */
bool zone_name_find(const char *name, char ret_path[PATH_MAX]);

/**
 * Appends help for a name that is not valid, beginning with "; ", or nothing:
 * "; did you mean "Europe/Berlin"?", or for an offset the names of zones with it, or that the
 * database is missing.
 */
void zone_name_explain(const char *name, struct buf *out);

#endif
