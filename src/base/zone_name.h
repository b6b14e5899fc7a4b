/* SPDX-License-Identifier: MIT */
/**
 * zone_name: checks names of time zones against the tz database of this machine, and suggests a
 * name for one that is not valid.
 *
 * The database is the directory TZDIR, or /usr/share/zoneinfo. A name is valid only if the database
 * has a file of this name. Rules are not valid, because they are ambiguous: "UTC-3" is three hours
 * *ahead* of UTC as a POSIX rule, but most users mean three hours behind.
 */
#ifndef VISITCOUNTD_BASE_ZONE_NAME_H
#define VISITCOUNTD_BASE_ZONE_NAME_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>

/** Longest name, in bytes. */
#define ZONE_NAME_MAX 64

/**
 * Whether the database has a zone of this name. If so, sets `ret_path` to its file. The machine's
 * own zone ("localtime"), the copies below "posix" and "right", and other files are not valid.
 */
bool zone_name_find(const char *name, char ret_path[PATH_MAX]);

/**
 * Appends help for a name that is not valid, or nothing. Help starts with "; ". It suggests a
 * similar name ("; did you mean "Europe/Berlin"?"), lists the zones with the offset that the name
 * looks like, or says that the database is missing.
 */
void zone_name_explain(const char *name, struct buf *out);

#endif
