/* SPDX-License-Identifier: MIT */
/**
 * journal_inside: the parts of a journal, shared by journal.c, journal_job.c and journal_aside.c.
 * Nobody else includes it.
 *
 * A job is prepared and finished in the loop and worked at on the disk thread; meanwhile what is
 * below `job` in struct journal, and the files of the segments in it, are the disk thread's.
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
    struct list waiting; /* records for the next job */
    struct list writing; /* those of the job */
    struct map known;    /* records that are in files: by site, epoch and sequence */
    uint64_t next_number;
    bool is_failing;

    /* the disk thread's while a job is on its way */
    struct buf bytes;
    int error;
    const char *what; /* failed */
};

struct journal_segment {
    struct list link;
    struct journal_file file;
    uint64_t counted_bytes; /* its part of the status */
    uint64_t open_records;  /* not done, those on their way included */
    bool is_stuck;          /* it could not be removed, and that was said */
};

struct journal {
    struct loop *loop;
    struct disk *disk;
    char *directory;
    int fd; /* of the directory; it has the lock */
    struct journal_status status;
    uint64_t next_number;
    struct list segments;            /* with open records, and the current one */
    struct list removable;           /* those that are not needed any more */
    struct journal_segment *current; /* that is written to; NULL: the next one is not made yet */
    struct list waiting;             /* entries for the next write */
    uint64_t pending_bytes;          /* of entries, not yet in the status */
    struct journal_asides asides;
    struct list refused; /* entries for which there is no room; told at a turn's end */
    struct loop_task end_of_turn;
    bool is_failing; /* the last write failed, and that was said */
    bool is_full;    /* an entry was refused since a segment was removed last, and that was said */
    bool is_busy;    /* the job is on its way; what is below is the disk thread's meanwhile */
    bool is_closed;  /* freed when the job is back */

    struct disk_job job;
    sem_t worked; /* posted by the disk thread, for who cannot wait for the loop */
    struct list writing;
    struct buf bytes; /* of the entries in `writing` */
    struct list removing;
    struct journal_segment *rotated; /* is not written to any more; or NULL */
    int error;
    const char *what; /* failed */
};

static inline struct journal_segment *segment_of(struct list *link)
{
    return container_of(link, struct journal_segment, link);
}

static inline struct journal_entry *entry_of(struct list *link)
{
    return container_of(link, struct journal_entry, link);
}

/** A segment at the end of the list, not made yet. */
struct journal_segment *journal_add_segment(struct journal *journal, uint64_t number);

/** There is more room than before: being full is no longer the journal's error. */
void journal_forget_full(struct journal *journal);

/** Brings the status up to what the segment is now; 0: it is gone. */
void journal_count_segment(struct journal *journal, struct journal_segment *segment,
                           uint64_t bytes);

/** Has a segment without open records removed by the next job. */
void journal_discard(struct journal *journal, struct journal_segment *segment);

/** A record of the segment is done, or was not written. */
void journal_release_segment(struct journal *journal, struct journal_segment *segment);

/** Sets the status's error: `text` begins with directory or file. */
void journal_set_error(struct journal *journal, const struct buf *text);

/** Ends entries that are in no other list. The owners may do anything meanwhile but close. */
void journal_tell(struct list *entries, int error);

#endif
