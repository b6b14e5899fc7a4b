/* SPDX-License-Identifier: MIT */
/**
 * sim_disk: takes the place of loop/disk.c: work that takes virtual time. A job's work is done at
 * one moment, in which the instance may die between two calls to the system (see sim_files.h), and
 * is told at a later one.
 */
#ifndef VISITCOUNTD_TESTS_SIM_DISK_H
#define VISITCOUNTD_TESTS_SIM_DISK_H

#include "loop/disk.h"

#include <stdint.h>

/** Sets how long a job takes at most. */
void sim_disk_set_latency(struct disk *disk, uint64_t latency_ms);

/** When something is due; UINT64_MAX when nothing is. */
uint64_t sim_disk_next_ms(const struct disk *disk);

/** Works at the first job that is due, or tells that it was done. */
void sim_disk_run_one(struct disk *disk);

/** Does the work of all jobs, without telling that it was done: for who waits for the thread. */
void sim_disk_work_all(struct disk *disk);

#endif
