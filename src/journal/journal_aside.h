/* SPDX-License-Identifier: MIT */
/**
 * journal_aside: records that the store takes no more, since their site was repaired after they
 * were written: whether their visits are in what the operator put in, only the operator can know.
 *
 * They are kept in the journal's directory, in files of their own: "0000002a.aside", in the format
 * of a segment. These are never replayed, do not count into max_size, and stay until somebody
 * removes them. A record is done in its segment when it is on the disk in such a file. A crash in
 * between leaves it in both; when it is set aside again, it is found to be there already.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_ASIDE_H
#define VISITCOUNTD_COUNT_JOURNAL_ASIDE_H

#include <stdbool.h>

struct journal;

/** Reads what earlier runs have set aside. What cannot be read is warned of. */
void journal_aside_load(struct journal *journal);

void journal_aside_finish(struct journal *journal);

/** Gives the job what there is to do; whether there is anything. */
bool journal_aside_prepare(struct journal *journal);

/** Does it: waits for the disk. */
void journal_aside_work(struct journal *journal);

/** Takes over what became of it. What failed is tried again by the next job. */
void journal_aside_end(struct journal *journal);

/** Whether a record waits to be written, or is. */
bool journal_aside_is_busy(const struct journal *journal);

#endif
