/* SPDX-License-Identifier: MIT */
/**
 * journal_job: the job that brings a journal to the disk. It writes the entries that wait and
 * removes the segments that are no longer needed.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_JOB_H
#define VISITCOUNTD_COUNT_JOURNAL_JOB_H

#include <stdbool.h>

struct journal;

/** Fills the job with work. Returns whether there is any. No job may be running. */
bool journal_job_prepare(struct journal *journal);

/** Does the work. Blocks: runs on the disk thread. */
void journal_job_work(struct journal *journal);

/** Takes over the result, and calls on_written of the entries. */
void journal_job_finish(struct journal *journal);

#endif
