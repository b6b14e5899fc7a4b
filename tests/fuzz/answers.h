/* SPDX-License-Identifier: MIT */
/** answers: takes apart what a server sent on one connection, and checks each answer. */
#ifndef VISITCOUNTD_TESTS_ANSWERS_H
#define VISITCOUNTD_TESTS_ANSWERS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What a connection received. */
struct answers {
    size_t count;   /* whole answers */
    size_t counted; /* of these, answers to visits that were counted */
    size_t failed;  /* of these, with a status of 500 and above, but not 503 or 504 */
};

/**
 * Reads all answers. Aborts if something is no answer, if a head has a control character, or if a
 * body that says so is not JSON, or not text that can be shown. The last answer may be cut off.
 */
struct answers answers_read(const struct buf *received);

/**
 * Whether two connections received the same answers, apart from the times in `Date` and what the
 * process itself takes (metrics that begin with process_).
 */
bool answers_are_same(const struct buf *one, const struct buf *other);

/**
 * Runs an input twice, over memory that is filled with different bytes. Aborts if the answers are
 * not the same: then they depend on memory that was never set. `run` appends what was received.
 */
void answers_run_twice(void (*run)(const char *text, size_t length, uint8_t filling,
                                   struct buf *ret_received),
                       const uint8_t *bytes, size_t length);

#endif
