/* SPDX-License-Identifier: MIT */
/**
 * journal_segment: one file of the journal as bytes: its name, header and records. It tells a
 * damage from an interrupted write. See journal.h for the format.
 *
 * A segment only grows at its end, and its space is not reserved. So the file is never longer than
 * its written bytes, and a crash leaves a prefix of them. A bad record with a good one behind it is
 * no prefix: it is a damage.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_SEGMENT_H
#define VISITCOUNTD_COUNT_JOURNAL_SEGMENT_H

#include "base/buf.h"
#include "journal/journal_record.h"

#include <stddef.h>
#include <stdint.h>

/** A segment of this length takes no more records. */
#define JOURNAL_SEGMENT_MAX_BYTES ((uint64_t)4 * 1024 * 1024)

/** Length of a segment's header, and of the header of a record. */
#define JOURNAL_SEGMENT_HEADER_BYTES 16
#define JOURNAL_RECORD_HEADER_BYTES  8

/** Longest payload: more than twice the longest batch (500 pages, 1000 tokens). */
#define JOURNAL_PAYLOAD_MAX_BYTES ((size_t)1024 * 1024)

#define JOURNAL_SEGMENT_NAME_MAX 32

/** Writes the name of a segment: "0000002a.journal". Returns `name`. */
char *journal_segment_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX]);

/**
 * Lists the numbers of the segments in a directory, in ascending order. The caller frees
 * `ret_numbers`. Ignores files whose names do not end in ".journal". `ret_foreign` (NAME_MAX + 1
 * bytes) gets the name of a file that ends in ".journal" without being a segment's name. It is
 * empty if there is none. Returns 0 or -errno.
 */
int journal_segment_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count,
                         char *ret_foreign);

/**
 * The same for the files of records that were set aside: "0000002a.aside", see journal_aside.h.
 * Ignores all other names.
 */
char *journal_segment_aside_name(uint64_t number, char name[JOURNAL_SEGMENT_NAME_MAX]);
int journal_segment_aside_list(int directory_fd, uint64_t **ret_numbers, size_t *ret_count);

/** Appends a segment's header to `out`. */
void journal_segment_put_header(struct buf *out);

/** Appends a record with its length and checksum to `out`. */
void journal_segment_put_record(struct buf *out, const struct journal_record *record);

/** Reads a segment from its beginning. */
struct journal_reader {
    struct buf bytes;    /* the whole file */
    size_t offset;       /* where the next record begins */
    size_t found_offset; /* of the last record or damage */
    const char *damage;  /* the last damage, in words */
};

enum journal_found {
    JOURNAL_FOUND_RECORD,
    JOURNAL_FOUND_END,
    JOURNAL_FOUND_TORN,  /* an interrupted write: no good record is behind it */
    JOURNAL_FOUND_DAMAGE /* any other damage; the next call continues at the next good record */
};

/**
 * Reads the file `name` into memory. Returns 0 or -errno; -EFBIG if it is too long for a segment.
 */
int journal_reader_open(struct journal_reader *reader, int directory_fd, const char *name);

/** Finds the next record or damage. The caller owns a record's sealed_batch. */
enum journal_found journal_reader_next(struct journal_reader *reader,
                                       struct journal_record *ret_record);

/** Frees the bytes. Allowed after a failed open. */
void journal_reader_close(struct journal_reader *reader);

/** Appends the system's text for `error` (-errno), with a small first letter. */
void journal_segment_put_reason(struct buf *out, int error);

#endif
