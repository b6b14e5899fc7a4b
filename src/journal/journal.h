/* SPDX-License-Identifier: MIT */
/**
 * journal: keeps visits on this machine's disk while the store is away.
 *
 * A journal is a directory of segments. A segment is a header and records. A record is one
 * sealed batch with its site, epoch and sequence. The store applies it once under that sequence,
 * however often it is replayed. Records are not marked as done: a segment is removed when all of
 * its records are done. A record that is replayed although the store has it is answered as a
 * duplicate.
 *
 * All file work runs on the disk thread. Records that arrive in one turn, or while the disk is
 * busy, share one write and one fsync.
 *
 * Format, little-endian. Segment header: "VCJOURNL", u32 version (1), u32 CRC-32C of the 12 bytes
 * before. Record: u32 length of the payload, u32 CRC-32C of length and payload (RFC 3720, appendix
 * B.4), payload: see journal_record.h. A segment's name is a growing number in hexadecimal.
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
    const char *directory; /* created with mode 0750 if missing; its files have mode 0640 */
    uint64_t max_size_bytes;
};

/**
 * Opens the journal and reads what an earlier run left in it. Blocks until all of it is read.
 *
 * Passes each record to `on_record` in the order of writing, after all were read. `on_record` takes
 * over the sealed_batch. It returns an entry in its own memory (on_written is not used), which it
 * later passes to journal_entry_done().
 *
 * Cuts a torn tail, as a crash leaves it, off the last segment. Logs its file and offset.
 *
 * On failure returns NULL and appends a line with file and offset to `errors`. Failures are: a
 * damaged record with good ones behind it; an unknown version; a file that is not a segment;
 * another process that has locked the directory; an error of the system.
 */
struct journal *journal_open(struct loop *loop, struct disk *disk,
                             const struct journal_options *options,
                             struct journal_entry *(*on_record)(void *data,
                                                                struct journal_record *record),
                             void *data, struct buf *errors);

/**
 * Writes the records that wait, and closes the journal. Blocks meanwhile, and calls on_written of
 * their entries. Entries that are not done may be left. NULL is allowed.
 */
void journal_close(struct journal *journal);

/** Replaces the size limit. */
void journal_configure(struct journal *journal, uint64_t max_size_bytes);

/**
 * Writes a record. The caller has set entry->on_written, which is called later, never from inside
 * this call.
 */
void journal_append(struct journal *journal, const struct journal_record *record,
                    struct journal_entry *entry);

/** Whether the journal has room for a record of ordinary size. */
bool journal_has_room(const struct journal *journal);

/** Whether no record is left and no write is open: the journal can be closed for good. */
bool journal_is_empty(const struct journal *journal);

/** The directory as it was passed to journal_open(). */
const char *journal_directory(const struct journal *journal);

/** The status, valid as long as the journal. */
const struct journal_status *journal_status(const struct journal *journal);

#endif
