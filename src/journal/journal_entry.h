/* SPDX-License-Identifier: MIT */
/**
 * journal_entry: a record in a journal as its owner sees it, and how the journal is.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_ENTRY_H
#define VISITCOUNTD_COUNT_JOURNAL_ENTRY_H

#include "base/buf.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct journal_record;

/** A record in the journal, embedded in its owner, who keeps it until journal_done(). */
struct journal_entry {
    /**
     * Once, in the loop: the record is on the disk (0), or nothing of it is (-ENOSPC: max_size or
     * the disk is full; other -errno), for the reason in the journal's status. -ENOTRECOVERABLE: it
     * is not, but it could not be cut off either: should the process end before the disk takes
     * anything again, it may be found and counted.
     */
    void (*on_written)(struct journal_entry *entry, int error);

    /* the journal's */
    struct list link;
    struct journal *journal;
    struct journal_segment *segment;
    struct buf bytes; /* until they are written */
    uint64_t visits;
};

/** How the journal is, for status and metrics. */
struct journal_status {
    uint64_t size_bytes; /* of all segments */
    uint64_t max_size_bytes;
    uint64_t segments;
    uint64_t records;       /* not done yet */
    uint64_t visits;        /* in them */
    uint64_t written;       /* records since the start */
    uint64_t syncs;         /* since the start */
    uint64_t aside_records; /* set aside, also by earlier runs: see journal_set_aside() */
    uint64_t aside_visits;
    char error[256]; /* the last write that failed, until one succeeds; else empty */
};

/** The store has the record of a written entry: it need not be kept. The entry is free to go. */
void journal_done(struct journal_entry *entry);

/**
 * The store takes the record of a written entry no more: it is moved to a file that is not
 * replayed, see journal_aside.h. The entry is free to go.
 */
void journal_set_aside(struct journal_entry *entry, const struct journal_record *record);

#endif
