/* SPDX-License-Identifier: MIT */
/** journal_entry: a record in a journal, as its owner sees it, and the status of a journal. */
#ifndef VISITCOUNTD_COUNT_JOURNAL_ENTRY_H
#define VISITCOUNTD_COUNT_JOURNAL_ENTRY_H

#include "base/buf.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct journal_record;

/**
 * A record in the journal. Embedded in its owner, who keeps it until journal_entry_done() or
 * journal_entry_set_aside().
 */
struct journal_entry {
    /**
     * Called once, in the loop. 0: the record is on the disk. -ENOSPC: max_size or the disk is
     * full; nothing of the record is on the disk. -ENOTRECOVERABLE: the write failed and could not
     * be cut off; if the process ends before the disk works again, the record may be found and
     * counted. Another -errno: nothing of the record is on the disk. The journal's status has the
     * reason.
     */
    void (*on_written)(struct journal_entry *entry, int error);

    /* owned by the journal */
    struct list link;
    struct journal *journal;
    struct journal_segment *segment;
    struct buf bytes; /* until they are written */
    uint64_t visits;
};

/** Status of a journal, for status and metrics. */
struct journal_status {
    uint64_t size_bytes; /* all segments */
    uint64_t max_size_bytes;
    uint64_t segments;
    uint64_t records;       /* not done yet */
    uint64_t visits;        /* in these records */
    uint64_t written;       /* records written since the start */
    uint64_t syncs;         /* write-and-fsync rounds since the start */
    uint64_t aside_records; /* includes those of earlier runs: see journal_entry_set_aside() */
    uint64_t aside_visits;
    char error[256]; /* of the last failed write; empty after a successful one */
};

/**
 * Ends a written entry whose record the store has: it need not be kept. The caller may then free
 * the entry.
 */
void journal_entry_done(struct journal_entry *entry);

/**
 * Ends a written entry whose record the store no longer accepts. Moves the record to a file that is
 * not replayed: see journal_aside.h. The caller may then free the entry.
 */
void journal_entry_set_aside(struct journal_entry *entry, const struct journal_record *record);

#endif
