/* SPDX-License-Identifier: MIT */
#include "sim_clock.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MS_PER_HOUR 3600000

static uint64_t monotonic_ms;
static uint64_t wall_ms;
static int64_t wall_off_ms;
static uint64_t scenario;
static uint64_t kernel;

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014 */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void sim_clock_begin(uint64_t seed)
{
    scenario = seed;
    kernel = ~seed;
    monotonic_ms = 1000000;
    /* shortly before an hour ends, so that most runs see one begin */
    wall_off_ms = 0;
    wall_ms = UINT64_C(500000) * MS_PER_HOUR - sim_draw(10000);
}

void sim_clock_advance_to(uint64_t now_ms)
{
    if (now_ms < monotonic_ms) {
        abort();
    }
    wall_ms += now_ms - monotonic_ms;
    monotonic_ms = now_ms;
}

void sim_clock_use(int64_t new_wall_off_ms)
{
    wall_off_ms = new_wall_off_ms;
}

uint64_t clock_monotonic_ms(void)
{
    return monotonic_ms;
}

uint64_t clock_monotonic_us(void)
{
    return monotonic_ms * 1000;
}

uint64_t clock_wall_ms(void)
{
    return (uint64_t)((int64_t)wall_ms + wall_off_ms);
}

ssize_t getrandom(void *bytes, size_t length, unsigned flags)
{
    char *at = bytes;

    (void)flags;
    for (size_t left = length; left != 0;) {
        uint64_t word = next(&kernel);
        size_t some = left < sizeof(word) ? left : sizeof(word);

        memcpy(at, &word, some);
        at += some;
        left -= some;
    }
    return (ssize_t)length;
}

uint64_t sim_draw(uint64_t below)
{
    return next(&scenario) % below;
}

uint64_t sim_draw_between(uint64_t least, uint64_t most)
{
    return least + sim_draw(most - least + 1);
}

bool sim_chance(unsigned per_mille)
{
    return sim_draw(1000) < per_mille;
}

uint64_t sim_draw_skewed(uint64_t least, uint64_t most)
{
    uint64_t range = most - least + 1;
    int bits = 64 - __builtin_clzll(range);

    return least + sim_draw(UINT64_C(1) << sim_draw((uint64_t)bits)) % range;
}
