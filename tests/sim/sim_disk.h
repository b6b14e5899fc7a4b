/* SPDX-License-Identifier: MIT */
/**
 * sim_disk: replaces loop/disk.c. Jobs take virtual time. A job works at one moment and reports at
 * a later one. While it works, the instance may die between two system calls (see sim_files.h).
 */
#ifndef VISITCOUNTD_TESTS_SIM_DISK_H
#define VISITCOUNTD_TESTS_SIM_DISK_H

#include "loop/disk.h"

#include <stdint.h>

/** Sets the longest time that a job takes. */
void sim_disk_set_latency(struct disk *disk, uint64_t latency_ms);

/** When the next step of a job is due; UINT64_MAX if there is no job. */
uint64_t sim_disk_next_ms(const struct disk *disk);

/** Does the work of the first job, or reports that it is done. */
void sim_disk_run_one(struct disk *disk);

/** Does the work of all jobs without reporting it, for a caller that waits for the thread. */
void sim_disk_work_all(struct disk *disk);

#endif
