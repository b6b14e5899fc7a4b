/* SPDX-License-Identifier: MIT */
#include "fake_random.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_seeded;
static uint64_t state;

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014 */
static uint64_t next_word(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

ssize_t getrandom(void *bytes, size_t length, unsigned flags)
{
    char *at = bytes;

    if (!is_seeded) {
        return syscall(SYS_getrandom, bytes, length, flags);
    }
    for (size_t left = length; left != 0;) {
        uint64_t word = next_word();
        size_t some = left < sizeof(word) ? left : sizeof(word);

        memcpy(at, &word, some);
        at += some;
        left -= some;
    }
    return (ssize_t)length;
}

void fake_random_seed(uint64_t seed)
{
    state = seed;
    is_seeded = true;
}

void fake_random_release(void)
{
    is_seeded = false;
}
