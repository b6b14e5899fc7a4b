/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sweep_clock.h"

/* a known time is the end of a day, so a correct clock may be this much earlier */
#define ROUNDED_MS (2 * UINT64_C(86400000))

void sweep_clock_init(struct sweep_clock *clock, uint64_t known_ms, uint64_t wall_ms,
                      uint64_t monotonic_ms)
{
    if (known_ms == SWEEP_UNKNOWN || (known_ms > wall_ms && known_ms - wall_ms <= ROUNDED_MS)) {
        known_ms = wall_ms;
    }
    *clock = (struct sweep_clock){.wall_ms = wall_ms,
                                  .monotonic_ms = monotonic_ms,
                                  .agreed_wall_ms = wall_ms,
                                  .agreed_monotonic_ms = monotonic_ms,
                                  .known_ms = known_ms,
                                  .known_monotonic_ms = monotonic_ms};
}

/* returns the known time, advanced by the monotonic clock */
static uint64_t known_now_ms(const struct sweep_clock *clock)
{
    return clock->known_ms + (clock->monotonic_ms - clock->known_monotonic_ms);
}

void sweep_clock_look(struct sweep_clock *clock, uint64_t wall_ms, uint64_t monotonic_ms)
{
    uint64_t expected_ms = clock->agreed_wall_ms + (monotonic_ms - clock->agreed_monotonic_ms);
    uint64_t apart_ms = wall_ms > expected_ms ? wall_ms - expected_ms : expected_ms - wall_ms;

    clock->wall_ms = wall_ms;
    clock->monotonic_ms = monotonic_ms;
    if (apart_ms > SWEEP_TOLERANCE_MS) {
        clock->agreed_wall_ms = wall_ms;
        clock->agreed_monotonic_ms = monotonic_ms;
    }
    if (sweep_clock_is_proven(clock)) {
        clock->known_ms = wall_ms;
        clock->known_monotonic_ms = monotonic_ms;
    }
}

bool sweep_clock_is_agreed(const struct sweep_clock *clock)
{
    return clock->monotonic_ms - clock->agreed_monotonic_ms >= SWEEP_AGREED_MS;
}

bool sweep_clock_is_near(const struct sweep_clock *clock)
{
    return clock->wall_ms <= known_now_ms(clock) + SWEEP_NEAR_MS;
}

void sweep_clock_learn(struct sweep_clock *clock, uint64_t known_ms)
{
    if (known_ms > known_now_ms(clock)) {
        clock->known_ms = known_ms;
        clock->known_monotonic_ms = clock->monotonic_ms;
    }
}

bool sweep_clock_is_proven(const struct sweep_clock *clock)
{
    return sweep_clock_is_agreed(clock) && sweep_clock_is_near(clock);
}

uint64_t sweep_clock_now_ms(const struct sweep_clock *clock)
{
    uint64_t known_ms = known_now_ms(clock);

    return sweep_clock_is_proven(clock) || clock->wall_ms < known_ms ? clock->wall_ms : known_ms;
}

uint64_t sweep_clock_latest_ms(const struct sweep_clock *clock)
{
    uint64_t known_ms = known_now_ms(clock);

    return clock->wall_ms > known_ms ? clock->wall_ms : known_ms;
}
