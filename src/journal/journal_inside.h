/* SPDX-License-Identifier: MIT */
/**
 * journal_inside: the internals of a journal, shared by journal.c, journal_job.c and
 * journal_aside.c.
 *
 * The loop prepares and finishes a job. The disk thread works on it. Meanwhile the members behind
 * `job` in struct journal, and the files of the segments in them, belong to the disk thread.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_INSIDE_H
#define VISITCOUNTD_COUNT_JOURNAL_INSIDE_H

#include "base/map.h"
#include "journal/journal_entry.h"
#include "journal/journal_file.h"
#include "loop/disk.h"
#include "loop/loop.h"

#include <semaphore.h>

/* records that are set aside: see journal_aside.h */
struct journal_asides {
    struct list waiting; /* for the next job */
    struct list writing; /* of the current job */
    struct map known;    /* records that are in files, by site, epoch and sequence */
    uint64_t next_number;
    bool is_failing;

    /* owned by the disk thread while a job runs */
    struct buf bytes;
    int error;
    const char *what; /* the operation that failed */
};

struct journal_segment {
    struct list link;
    struct journal_file file;
    uint64_t counted_bytes; /* its share of the status */
    uint64_t open_records;  /* not done, including those being written */
    bool is_stuck;          /* removing it failed, and this was logged */
};

struct journal {
    struct loop *loop;
    struct disk *disk;
    char *directory;
    int fd; /* of the directory; holds the lock */
    struct journal_status status;
    uint64_t next_number;
    struct list segments;            /* those with open records, and the current one */
    struct list removable;           /* no longer needed */
    struct journal_segment *current; /* now written to; NULL: not created yet */
    struct list waiting;             /* entries for the next write */
    uint64_t pending_bytes;          /* of entries that are not in the status yet */
    struct journal_asides asides;
    struct list refused; /* entries without room; called back at the turn's end */
    struct loop_task end_of_turn;
    bool is_failing; /* the last write failed, and this was logged */
    bool is_full; /* an entry was refused since the last segment was removed, and this was logged */
    bool is_busy; /* the job runs: the members behind `job` belong to the disk thread */
    bool is_closed; /* to be freed when the job is back */

    struct disk_job job;
    sem_t worked; /* posted by the disk thread; journal_close() waits for it */
    struct list writing;
    struct buf bytes; /* of the entries in `writing` */
    struct list removing;
    struct journal_segment *rotated; /* takes no more records, to be closed; or NULL */
    int error;
    const char *what; /* the operation that failed */
};

static inline struct journal_segment *journal_segment_of(struct list *link)
{
    return container_of(link, struct journal_segment, link);
}

static inline struct journal_entry *journal_entry_of(struct list *link)
{
    return container_of(link, struct journal_entry, link);
}

/** Appends a segment that is not created on the disk yet. */
struct journal_segment *journal_add_segment(struct journal *journal, uint64_t number);

/**
 * Call it when there is more room than before: clears the error "full" and allows it to be logged
 * again.
 */
void journal_forget_full(struct journal *journal);

/** Updates the status to the segment's present size. 0: the segment is gone. */
void journal_count_segment(struct journal *journal, struct journal_segment *segment,
                           uint64_t bytes);

/** Schedules a segment without open records for removal by the next job. */
void journal_discard(struct journal *journal, struct journal_segment *segment);

/** Records that a record of the segment is done, or could not be written. */
void journal_release_segment(struct journal *journal, struct journal_segment *segment);

/** Sets the error in the status. `text` begins with the directory or file. */
void journal_set_error(struct journal *journal, const struct buf *text);

/**
 * Calls on_written of all `entries` with `error`, and empties the list. The callbacks may do
 * anything but close the journal.
 */
void journal_tell(struct list *entries, int error);

#endif
