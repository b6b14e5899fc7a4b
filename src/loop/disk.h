/* SPDX-License-Identifier: MIT */
/**
 * disk: one worker thread for all work that may block on a disk (SQLite, fsync), so that the loop
 * never blocks. Jobs run in the order of their submission.
 */
#ifndef VISITCOUNTD_LOOP_DISK_H
#define VISITCOUNTD_LOOP_DISK_H

#include "base/list.h"
#include "loop/loop.h"

struct disk;

/** One piece of work. The owner embeds it, and keeps it until `done` was called. */
struct disk_job {
    struct list link;
    void (*work)(struct disk_job *job); /* runs on the disk thread */
    void (*done)(struct disk_job *job); /* runs in the loop after `work` */
};

/** Starts the thread. Calls the `done` callbacks in `loop`. */
struct disk *disk_create(struct loop *loop);

/**
 * Blocks until all submitted jobs are finished and their `done` was called. Then ends the thread.
 * NULL is allowed.
 */
void disk_destroy(struct disk *disk);

/** Submits `job`. The caller has set `work` and `done`. */
void disk_submit(struct disk *disk, struct disk_job *job);

#endif
