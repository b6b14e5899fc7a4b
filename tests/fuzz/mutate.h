/* SPDX-License-Identifier: MIT */
/**
 * mutate: makes a new input of a fuzzer from those that exist. The same seed and the same inputs
 * make the same sequence of new inputs.
 */
#ifndef VISITCOUNTD_TESTS_MUTATE_H
#define VISITCOUNTD_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/** Longest input that mutate() makes, in bytes. */
#define MUTATE_MAX 16384

struct mutate_input {
    uint8_t *bytes;
    size_t length;
};

/** The inputs to start from. */
struct mutate_corpus {
    struct mutate_input *inputs;
    size_t count; /* > 0 */
};

/**
 * Copies an input of the corpus to `out`, which has MUTATE_MAX bytes, and changes it in one to
 * eight places: bits and bytes, numbers, removed, repeated and exchanged parts, parts of other
 * inputs. `state` is the state of the random generator. Returns the length.
 */
size_t mutate(const struct mutate_corpus *corpus, uint64_t *state, uint8_t *out);

#endif
