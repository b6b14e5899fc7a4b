/* SPDX-License-Identifier: MIT */
/**
 * zone: time zones by their names in the tz database ("Europe/Berlin"), by GLib: which day it is
 * there. All seconds and days count from 1970, seconds in UTC.
 */
#ifndef VISITCOUNTD_BASE_ZONE_H
#define VISITCOUNTD_BASE_ZONE_H

#include <stdint.h>

struct zone;

/** The zone of this name; NULL if there is none: see zone_name.h. "UTC" needs no database. */
struct zone *zone_open(const char *name);

/** NULL is allowed. */
void zone_close(struct zone *zone);

/**
 * What local time is ahead of UTC at `second`. Asking for one quarter of an hour again and again
 * costs nothing: no zone changes its offset within one.
 */
int64_t zone_offset_s(struct zone *zone, uint64_t second);

/** The local day at `second`. */
uint64_t zone_day(struct zone *zone, uint64_t second);

#endif
