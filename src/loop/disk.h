/* SPDX-License-Identifier: MIT */
/**
 * disk: one worker thread for everything that may wait for a disk (SQLite, fsync), so that the loop
 * never does. Jobs run in the order in which they were submitted.
 */
#ifndef VISITCOUNTD_LOOP_DISK_H
#define VISITCOUNTD_LOOP_DISK_H

#include "base/list.h"
#include "loop/loop.h"

struct disk;

/** One piece of work; embedded in its owner, who keeps it until `done` was called. */
struct disk_job {
    struct list link;
    void (*work)(struct disk_job *job); /* on the disk thread */
    void (*done)(struct disk_job *job); /* afterwards, in the loop */
};

/** Starts the thread; its results arrive in `loop`. */
struct disk *disk_create(struct loop *loop);

/**
 * Finishes all submitted jobs, `done` included, and ends the thread. Blocks meanwhile. NULL is
 * allowed.
 */
void disk_destroy(struct disk *disk);

/** Hands `job` over; `work` and `done` are set. */
void disk_submit(struct disk *disk, struct disk_job *job);

#endif
