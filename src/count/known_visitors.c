/* SPDX-License-Identifier: MIT */
#include "count/known_visitors.h"

#include "base/alloc.h"

#include <stdlib.h>

/* 512 KiB */
#define MARKS 65536

/* stands for visitor and page; never 0 */
static uint64_t mark_of(uint64_t visitor, uint64_t page_hash)
{
    uint64_t mark = visitor ^ page_hash;

    return mark != 0 ? mark : 1;
}

static size_t place_of(uint64_t mark)
{
    return mark % MARKS;
}

void known_visitors_forget(struct known_visitors *visitors)
{
    free(visitors->marks);
    visitors->marks = NULL;
}

void known_visitors_note(struct known_visitors *visitors, uint64_t visitor, uint64_t page_hash)
{
    uint64_t mark = mark_of(visitor, page_hash);

    if (visitors->marks == NULL) {
        visitors->marks = alloc_zero(MARKS, sizeof(*visitors->marks));
    }
    visitors->marks[place_of(mark)] = mark;
}

bool known_visitors_have(const struct known_visitors *visitors, uint64_t visitor,
                         uint64_t page_hash)
{
    uint64_t mark = mark_of(visitor, page_hash);

    return visitors->marks != NULL && visitors->marks[place_of(mark)] == mark;
}
