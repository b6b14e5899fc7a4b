/* SPDX-License-Identifier: MIT */
/**
 * fake_random: lets getrandom(2) give the same bytes in each run, so that a test with epochs and
 * backoff in it goes the same way each time.
 *
 * It takes the place of getrandom(2) in the whole program, but only from fake_random_seed() to
 * fake_random_release(): before and after that the kernel is asked.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_RANDOM_H
#define VISITCOUNTD_TESTS_FAKE_RANDOM_H

#include <stdint.h>

/** From here on what is drawn depends on `seed` alone. */
void fake_random_seed(uint64_t seed);

/** Asks the kernel again. */
void fake_random_release(void);

#endif
