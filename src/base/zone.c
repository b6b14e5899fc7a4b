/* SPDX-License-Identifier: MIT */
/* The only file that sees GLib. */
#include "base/zone.h"

#include <glib.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define QUARTER_S 900
#define DAY_S     86400

#define NAME_BYTES_MAX 64

struct zone {
    GTimeZone *zone;
    uint64_t quarter; /* for which `offset_s` holds */
    int64_t offset_s;
};

/** Whether GLib may look for a file of this name below the database's directory. */
static bool is_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= NAME_BYTES_MAX && strstr(name, "..") == NULL && name[0] != '/' &&
           name[strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/_+-")] == '\0';
}

static int64_t look_up_offset(const struct zone *zone, uint64_t second)
{
    gint interval = g_time_zone_find_interval(zone->zone, G_TIME_TYPE_UNIVERSAL, (gint64)second);

    return g_time_zone_get_offset(zone->zone, interval);
}

struct zone *zone_open(const char *name)
{
    GTimeZone *found = is_name(name) ? g_time_zone_new_identifier(name) : NULL;
    struct zone *zone;

    if (found == NULL) {
        return NULL;
    }
    zone = calloc(1, sizeof(*zone));
    if (zone == NULL) {
        abort();
    }
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
