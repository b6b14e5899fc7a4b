/* SPDX-License-Identifier: MIT */
/**
 * journal_recover: prepares a journal's directory after an earlier run: locks it, checks the
 * segments, and removes what a crash left unfinished.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_RECOVER_H
#define VISITCOUNTD_COUNT_JOURNAL_RECOVER_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Opens the directory, or creates it, and locks it. Checks all segments before it changes any. Then
 * cuts a torn tail off the last one, and removes those without records.
 *
 * Returns the directory's descriptor, which holds the lock. `ret_numbers` then has the numbers of
 * the segments, each with at least one record and no damage. The caller frees it. On failure
 * returns -1 and appends a line to `errors`.
 */
int journal_recover(const char *directory, uint64_t **ret_numbers, size_t *ret_count,
                    struct buf *errors);

#endif
