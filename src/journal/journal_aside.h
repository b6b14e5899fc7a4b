/* SPDX-License-Identifier: MIT */
/**
 * journal_aside: sets records aside that the store no longer accepts because their site was
 * repaired after they were written. Only the operator knows whether the repaired total includes
 * their visits.
 *
 * These records are kept in files of their own in the journal's directory: "0000002a.aside", in the
 * format of a segment. The files are never replayed, do not count into max_size, and stay until the
 * operator removes them. A record is done in its segment when it is on the disk in such a file. A
 * crash in between leaves it in both. When it is set aside again, the copy in the file is found.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_ASIDE_H
#define VISITCOUNTD_COUNT_JOURNAL_ASIDE_H

#include <stdbool.h>

struct journal;

/** Reads the records that earlier runs have set aside. Warns of files that cannot be read. */
void journal_aside_load(struct journal *journal);

void journal_aside_finish(struct journal *journal);

/** Fills the job with the records that wait. Returns whether there are any. */
bool journal_aside_prepare(struct journal *journal);

/** Writes them to a file. Blocks: runs on the disk thread. */
void journal_aside_work(struct journal *journal);

/** Takes over the result of the job. Records that could not be written wait for the next job. */
void journal_aside_end(struct journal *journal);

/** Whether a record waits to be written or is being written. */
bool journal_aside_is_busy(const struct journal *journal);

#endif
