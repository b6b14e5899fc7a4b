/* SPDX-License-Identifier: MIT */
/**
 * journal_recover: what an earlier run left in the journal's directory: who may use it, whether all
 * of it is good, and what a crash left unfinished.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_RECOVER_H
#define VISITCOUNTD_COUNT_JOURNAL_RECOVER_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Opens the directory, made when missing, locks it, checks all segments, cuts a torn tail off the
 * last one and removes those without records. Returns the directory's descriptor, which has the
 * lock, with the numbers of the segments in `ret_numbers`, which the caller frees: each has at
 * least one record and no damage. Else -1, after appending a line to `errors`, with nothing
 * changed.
 */
int journal_recover(const char *directory, uint64_t **ret_numbers, size_t *ret_count,
                    struct buf *errors);

#endif
