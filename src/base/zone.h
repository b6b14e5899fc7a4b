/* SPDX-License-Identifier: MIT */
/**
 * zone: finds the local day in a time zone of the tz database ("Europe/Berlin"), with GLib. Seconds
 * count from 1970 in UTC. Days count from 1970 in local time.
 */
#ifndef VISITCOUNTD_BASE_ZONE_H
#define VISITCOUNTD_BASE_ZONE_H

#include <stdint.h>

struct zone;

/** Opens the zone `name`. NULL if it is not valid, see zone_name.h. "UTC" needs no database. */
struct zone *zone_open(const char *name);

/** Frees the zone. NULL is allowed. */
void zone_close(struct zone *zone);

/**
 * Returns by how many seconds local time is ahead of UTC at `second`. The result is cached for a
 * quarter of an hour, because no zone changes its offset within one.
 */
int64_t zone_offset_s(struct zone *zone, uint64_t second);

/** Returns the local day at `second`. */
uint64_t zone_day(struct zone *zone, uint64_t second);

#endif
