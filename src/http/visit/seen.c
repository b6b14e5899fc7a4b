/* SPDX-License-Identifier: MIT */
#include "http/visit/seen.h"

#include "base/alloc.h"

#include <stddef.h>
#include <stdlib.h>

/* sets of WAYS neighbours: 512 KiB in all */
#define WAYS 4
#define SETS 16384

static uint64_t mark_of(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

void seen_finish(struct seen *seen)
{
    free(seen->marks);
    seen->marks = NULL;
}

void seen_add(struct seen *seen, uint64_t hash)
{
    uint64_t *set;

    if (seen_has(seen, hash)) {
        return;
    }
    if (seen->marks == NULL) {
        seen->marks = alloc_zero((size_t)SETS * WAYS, sizeof(*seen->marks));
    }
    /* the new one comes first, and the oldest one goes */
    set = seen->marks + hash % SETS * WAYS;
    for (size_t i = WAYS - 1; i > 0; i--) {
        set[i] = set[i - 1];
    }
    set[0] = mark_of(hash);
}

void seen_remove(struct seen *seen, uint64_t hash)
{
    uint64_t *set;

    if (!seen_has(seen, hash)) {
        return;
    }
    set = seen->marks + hash % SETS * WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i] == mark_of(hash)) {
            set[i] = 0;
        }
    }
}

bool seen_has(const struct seen *seen, uint64_t hash)
{
    const uint64_t *set;

    if (seen->marks == NULL) {
        return false;
    }
    set = seen->marks + hash % SETS * WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i] == mark_of(hash)) {
            return true;
        }
    }
    return false;
}
