/* SPDX-License-Identifier: MIT */
/**
 * random: random bytes from the kernel.
 */
#ifndef VISITCOUNTD_BASE_RANDOM_H
#define VISITCOUNTD_BASE_RANDOM_H

#include <stddef.h>

/** Fills `bytes` from the kernel's random generator. Aborts if the kernel has none. */
void random_bytes(void *bytes, size_t length);

#endif
