/* SPDX-License-Identifier: MIT */
/**
 * journal: visits on this machine's disk while the store is away.
 *
 * A directory of segments, each a header and records; a record is one parcel with its site, epoch
 * and number, under which the store will apply it once, however often it is replayed. Nothing is
 * marked as done: a segment is removed when all of its records are, and a record that is replayed
 * although the store has it is answered as a duplicate.
 *
 * All file work is done on the disk thread. Appends of one turn, and those that come while the disk
 * is busy, share one write and one fsync.
 *
 * Format, little-endian: segment header: "VCJOURNL", u32 version (1), u32 CRC-32C of the 12 bytes
 * before; record: u32 length of the payload, u32 CRC-32C of length and payload (RFC 3720, appendix
 * B.4), payload: see journal_record.h. Segments are named by a number in hexadecimal that grows.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_H
#define VISITCOUNTD_COUNT_JOURNAL_H

#include "base/buf.h"
#include "base/list.h"
#include "journal/journal_entry.h"
#include "journal/journal_record.h"
#include "loop/disk.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

struct journal_options {
    const char *directory; /* made when missing, 0750 */
    uint64_t max_size_bytes;
};

/**
 * Opens the journal and reads what an earlier run left there. When all of it was read, each record
 * is passed to `on_record`, in the order in which it was written, which takes its parcel over and
 * returns the entry (of its own memory, on_written unused) that will be passed to journal_done().
 * Blocks, for as long as reading all of it takes.
 *
 * A torn tail, as a crash leaves it, is cut off the last segment and said in the log with file and
 * offset. Returns NULL after appending to `errors` a line that names file and offset: a record that
 * is damaged with good ones behind it, an unknown version, a file that is no segment; that another
 * process has the journal (lock on the directory); or what the system refused.
 */
struct journal *journal_open(struct loop *loop, struct disk *disk,
                             const struct journal_options *options,
                             struct journal_entry *(*on_record)(void *data,
                                                                struct journal_record *record),
                             void *data, struct buf *errors);

/** Waits for the writes that are under way and closes. Entries may be left. NULL is allowed. */
void journal_close(struct journal *journal);

/** Takes over a changed limit. */
void journal_configure(struct journal *journal, uint64_t max_size_bytes);

/** Writes a record; entry->on_written is set and called later, never from inside this call. */
void journal_append(struct journal *journal, const struct journal_record *record,
                    struct journal_entry *entry);

/** Whether a record of ordinary size would be taken now. */
bool journal_has_room(const struct journal *journal);

/** Whether nothing is left in it and nothing is under way: it can be closed for good. */
bool journal_is_empty(const struct journal *journal);

/** Its directory, as it was given. */
const char *journal_directory(const struct journal *journal);

/** The status; valid as long as the journal. */
const struct journal_status *journal_status(const struct journal *journal);

#endif
