/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include "base/clock.h"
#include "base/random.h"

uint64_t backoff_next_ms(struct backoff *backoff)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t limit_ms = (uint64_t)BACKOFF_FIRST_MS << backoff->doublings;
    uint64_t max_ms;
    uint64_t draw;

    if (backoff->began_at_ms == 0) {
        backoff->began_at_ms = now_ms != 0 ? now_ms : 1;
    }
    max_ms =
        now_ms < backoff->began_at_ms + BACKOFF_EARLY_MS ? BACKOFF_EARLY_MAX_MS : BACKOFF_MAX_MS;
    if (limit_ms < max_ms) {
        backoff->doublings++;
    } else {
        limit_ms = max_ms;
    }
    random_bytes(&draw, sizeof(draw));
    return 1 + draw % limit_ms;
}
