/* SPDX-License-Identifier: MIT */
#include "daemon/memory.h"

#include "base/log.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_MS 10000

/* returns the memory of this process alone that is resident; 0 if it is not known */
static uint64_t read_private_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t resident = 0;
    uint64_t shared = 0;

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident) {
        resident = shared;
    }
    fclose(file);
    return (resident - shared) * page_bytes;
}

/* returns the memory that is resident and not in use */
static uint64_t find_excess(void)
{
    uint64_t private_bytes = read_private_bytes();
    struct mallinfo2 info;
    uint64_t used_bytes;

    if (private_bytes < MEMORY_EXCESS_BYTES) {
        return 0; /* mallinfo2() looks at all free blocks, so it is not called in vain */
    }
    info = mallinfo2();
    used_bytes = info.uordblks + info.hblkhd;
    return private_bytes > used_bytes ? private_bytes - used_bytes : 0;
}

static void on_look(struct loop_timer *timer)
{
    struct memory *memory = container_of(timer, struct memory, look);
    uint64_t before = find_excess();

    if (before < memory->kept_bytes) {
        memory->kept_bytes = before;
    }
    if (before >= memory->kept_bytes + MEMORY_EXCESS_BYTES) {
        malloc_trim(0);
        memory->kept_bytes = find_excess();
        log_debug("memory: %" PRIu64 " KiB were free; %" PRIu64 " KiB are left after a trim",
                  before / 1024, memory->kept_bytes / 1024);
    }
    loop_timer_start(memory->loop, timer, LOOK_MS);
}

void memory_init(struct memory *memory, struct loop *loop)
{
    memory->loop = loop;
    memory->kept_bytes = 0;
    loop_timer_init(&memory->look, on_look);
    loop_timer_start(loop, &memory->look, LOOK_MS);
}

void memory_finish(struct memory *memory)
{
    if (memory->loop != NULL) {
        loop_timer_stop(&memory->look);
    }
}
