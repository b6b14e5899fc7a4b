/* SPDX-License-Identifier: MIT */
/**
 * fake_random: makes getrandom(2) return the same bytes in each run, so that tests with epochs and
 * back-off always do the same.
 *
 * It replaces getrandom(2) in the whole program, but only from fake_random_seed() to
 * fake_random_release(). Before and after that it asks the kernel.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_RANDOM_H
#define VISITCOUNTD_TESTS_FAKE_RANDOM_H

#include <stdint.h>

/** From here on all random bytes depend only on `seed`. */
void fake_random_seed(uint64_t seed);

/** Asks the kernel again. */
void fake_random_release(void);

#endif
