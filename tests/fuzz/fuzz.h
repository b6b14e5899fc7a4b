/* SPDX-License-Identifier: MIT */
/** fuzz: what each fuzzer has: the entry point that libFuzzer names, and its assertion. */
#ifndef VISITCOUNTD_TESTS_FUZZ_H
#define VISITCOUNTD_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/** Takes one input. Returns 0. Aborts if the code under test is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/** Aborts unless `condition` holds, and says which one does not. */
#define check_that(condition) fuzz_check((condition), #condition, __FILE__, __LINE__)

static inline void fuzz_check(bool holds, const char *condition, const char *file, int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
        abort();
    }
}

#endif
