/* SPDX-License-Identifier: MIT */
/* The only file that sees GLib. */
#include "base/zone.h"

#include "base/alloc.h"
#include "base/zone_name.h"

#include <glib.h>

#include <stdlib.h>
#include <string.h>

#define QUARTER_S 900
#define DAY_S     86400

struct zone {
    GTimeZone *zone;
    uint64_t quarter; /* for which `offset_s` holds */
    int64_t offset_s;
};

/**
 * GLib gets the path of the file, since it takes some names for rules: "UTC-3" for one that is not
 * in the database, "EST5EDT" for one that is.
 */
static GTimeZone *open_named(const char *name)
{
    char path[PATH_MAX];

    if (strcmp(name, "UTC") == 0) {
        return g_time_zone_new_utc();
    }
    return zone_name_find(name, path) ? g_time_zone_new_identifier(path) : NULL;
}

static int64_t look_up_offset(const struct zone *zone, uint64_t second)
{
    gint interval = g_time_zone_find_interval(zone->zone, G_TIME_TYPE_UNIVERSAL, (gint64)second);

    return g_time_zone_get_offset(zone->zone, interval);
}

struct zone *zone_open(const char *name)
{
    GTimeZone *found = open_named(name);
    struct zone *zone;

    if (found == NULL) {
        return NULL;
    }
    zone = alloc_zero(1, sizeof(*zone));
    zone->zone = found;
    zone->offset_s = look_up_offset(zone, 0);
    return zone;
}

void zone_close(struct zone *zone)
{
    if (zone != NULL) {
        g_time_zone_unref(zone->zone);
        free(zone);
    }
}

int64_t zone_offset_s(struct zone *zone, uint64_t second)
{
    if (second / QUARTER_S != zone->quarter) {
        zone->quarter = second / QUARTER_S;
        zone->offset_s = look_up_offset(zone, second);
    }
    return zone->offset_s;
}

uint64_t zone_day(struct zone *zone, uint64_t second)
{
    int64_t local = (int64_t)second + zone_offset_s(zone, second);

    return local > 0 ? (uint64_t)local / DAY_S : 0;
}
