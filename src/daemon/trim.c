/* SPDX-License-Identifier: MIT */
#include "daemon/trim.h"

#include "base/log.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/** Returns the memory that the process holds, or 0 if that is not known. */
static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*s %llu", &pages) != 1) {
        pages = 0;
    }
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/** Returns the memory that the process holds but that no block uses; this includes its code. */
static uint64_t unused_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    uint64_t used_bytes = info.uordblks + info.hblkhd;
    uint64_t held_bytes = resident_bytes();

    return held_bytes > used_bytes ? held_bytes - used_bytes : 0;
}

static void look(struct trim *trim)
{
    uint64_t before = unused_bytes();

    if (before < trim->unused_bytes) {
        trim->unused_bytes = before;
    }
    if (before - trim->unused_bytes >= TRIM_MIN_BYTES) {
        malloc_trim(0);
        trim->unused_bytes = unused_bytes();
        log_debug("memory: %llu of %llu unused bytes were given back",
                  (unsigned long long)(before - trim->unused_bytes), (unsigned long long)before);
    }
}

static void on_look(struct loop_timer *timer)
{
    struct trim *trim = container_of(timer, struct trim, timer);

    look(trim);
    loop_timer_start(trim->loop, timer, TRIM_INTERVAL_MS);
}

void trim_init(struct trim *trim, struct loop *loop)
{
    trim->loop = loop;
    trim->unused_bytes = unused_bytes();
    loop_timer_init(&trim->timer, on_look);
    loop_timer_start(loop, &trim->timer, TRIM_INTERVAL_MS);
}

void trim_finish(struct trim *trim)
{
    loop_timer_stop(&trim->timer);
}
