/* SPDX-License-Identifier: MIT */
#include "count/known_visitors.h"

#include "base/alloc.h"

#include <stdlib.h>

void known_visitors_allocate(struct known_visitors *visitors)
{
    visitors->marks = alloc_zero(KNOWN_VISITORS_SLOTS, sizeof(*visitors->marks));
}

void known_visitors_forget(struct known_visitors *visitors)
{
    free(visitors->marks);
    visitors->marks = NULL;
}
