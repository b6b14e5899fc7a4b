/* SPDX-License-Identifier: MIT */
/**
 * fill: gives memory that nothing has set a value of the test's choice. Code that is run twice over
 * differently filled memory, and differs in its results, reads memory before it sets it.
 *
 * It takes the place of malloc(3), realloc(3) and libh2o's pools in the objects that are linked
 * (--wrap), and fills the stack below its caller. The objects have to be compiled without
 * -ftrivial-auto-var-init.
 */
#ifndef VISITCOUNTD_TESTS_FILL_H
#define VISITCOUNTD_TESTS_FILL_H

#include <stdint.h>

/** Fills memory that is allocated from now on with `byte`, and the stack that the caller's calls
 * use. */
void fill_with(uint8_t byte);

/** Fills the stack once more, since calls leave their own values on it. */
void fill_stack(void);

#endif
