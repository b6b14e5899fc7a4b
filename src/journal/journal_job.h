/* SPDX-License-Identifier: MIT */
/**
 * journal_job: the one job that brings a journal to the disk: it writes the entries that wait and
 * removes the segments that are not needed any more.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_JOB_H
#define VISITCOUNTD_COUNT_JOURNAL_JOB_H

#include "journal/journal_inside.h"

#include <stdbool.h>

/** Gives the job what there is to do; whether there is anything. No job is on its way. */
bool journal_job_prepare(struct journal *journal);

/** Does it: waits for the disk. */
void journal_job_work(struct journal *journal);

/** Takes over what became of it, and tells the owners of the entries. */
void journal_job_finish(struct journal *journal);

#endif
