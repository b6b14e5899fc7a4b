/* SPDX-License-Identifier: MIT */
/**
 * journal_segment: one file of the journal, as bytes: its name, its header, its records, and how a
 * damage in it is told from a write that was interrupted. See journal.h for the format.
 *
 * A segment only ever grows at its end and its room is not reserved, so the file is never longer
 * than what was written: what a crash leaves is a prefix of it, and a bad record with a good one
 * behind it is no such thing.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_SEGMENT_H
#define VISITCOUNTD_COUNT_JOURNAL_SEGMENT_H

#include "base/buf.h"
#include "journal/journal_record.h"

#include <stddef.h>
#include <stdint.h>

/** A segment that is as long takes no more records. */
#define JOURNAL_SEGMENT_MAX_BYTES ((uint64_t)4 * 1024 * 1024)

/** Length of a segment's header, and of what stands before each payload. */
#define JOURNAL_SEGMENT_HEADER_BYTES 16
#define JOURNAL_RECORD_HEADER_BYTES  8

/** Longest payload: more than twice the longest batch (500 pages, 1000 tokens). */
#define JOURNAL_PAYLOAD_MAX_BYTES ((size_t)1024 * 1024)

#define JOURNAL_SEGMENT_NAME_MAX 32

/** Writes the name of a segment: "0000002a.journal". Returns `name`. */
char *journal_segment_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX]);

/**
 * The numbers of the segments in a directory, in their order; the caller frees `ret_numbers`. Files
 * with names that do not end in ".journal" are not the journal's, and left alone; one with a name
 * that does and is not of a number is named in `ret_foreign`, of NAME_MAX + 1 bytes, else empty.
 * Returns 0 or -errno.
 */
int journal_segment_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count,
                         char *ret_foreign);

/**
 * The same of the files of records that were set aside: "0000002a.aside", see journal_aside.h.
 * Other names are left alone.
 */
char *journal_aside_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX]);
int journal_aside_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count);

/** Appends a segment's header. */
void journal_segment_put_header(struct buf *out);

/** Appends a record with its length and checksum. */
void journal_segment_put_record(struct buf *out, const struct journal_record *record);

/** Reads a segment from its beginning. */
struct journal_reader {
    struct buf bytes;    /* all of the file */
    size_t offset;       /* where the reader goes on */
    size_t found_offset; /* of the record, or damage, that was found last */
    const char *damage;  /* what is wrong there */
};

enum journal_found {
    JOURNAL_FOUND_RECORD,
    JOURNAL_FOUND_END,
    JOURNAL_FOUND_TORN,  /* a write that was interrupted: nothing good is behind it */
    JOURNAL_FOUND_DAMAGE /* anything else; reading goes on at the next good record */
};

/** Reads the file `name` into memory; 0, or -errno: -EFBIG when no segment is as long. */
int journal_reader_open(struct journal_reader *reader, int directory_fd, const char *name);

/** Finds what is next; a record's parcel is the caller's. */
enum journal_found journal_reader_next(struct journal_reader *reader,
                                       struct journal_record *ret_record);

/** Frees the bytes; harmless after a failed open. */
void journal_reader_close(struct journal_reader *reader);

/** Appends the system's text for -errno, as it reads inside of a line. */
void journal_put_reason(struct buf *out, int error);

#endif
