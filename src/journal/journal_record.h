/* SPDX-License-Identifier: MIT */
/**
 * journal_record: one parcel as bytes in the journal, and back.
 *
 * Payload, little-endian: u8 length of site, and 128 if the epoch says its generation; site; 16
 * bytes epoch, of which the first four are then the generation (versions before 0.2 refuse such a
 * record); u64 sequence; u64 visits; u64
 * hour; u64 second; u32 entries, for each: u64 hits, u16 length of page, page; u32 tokens, for
 * each: u8 window, u32 entry, u8 length, token.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_RECORD_H
#define VISITCOUNTD_COUNT_JOURNAL_RECORD_H

#include "base/buf.h"
#include "journal/parcel.h"
#include "store/store.h"

#include <stddef.h>

/** A parcel with what its flow knows: site and epoch. */
struct journal_record {
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    struct parcel *parcel; /* sequence and visits in its content are set */
};

/** Appends the payload of `record`. */
void journal_record_encode(const struct journal_record *record, struct buf *out);

/**
 * Reads a payload. Everything in it is checked (lengths, counts, entries of tokens, no hits of 0):
 * returns 0 with a new parcel in `ret_record`, or -EBADMSG.
 */
int journal_record_decode(const char *bytes, size_t length, struct journal_record *ret_record);

#endif
