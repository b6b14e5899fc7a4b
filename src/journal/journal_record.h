/* SPDX-License-Identifier: MIT */
/**
 * journal_record: encodes one sealed batch as bytes of the journal, and decodes it.
 *
 * Payload, little-endian:
 * u8 length of site, plus 128 if the epoch names its generation; site;
 * 16 bytes epoch: with 128, a u32 generation and 12 random bytes (versions before 0.2 refuse such a
 * record);
 * u64 sequence; u64 visits; u64 hour; u64 day; u64 second;
 * u32 entries, for each: u64 hits, u16 length of page, page;
 * u32 tokens, for each: u8 window, u32 entry, u8 length, token;
 * u32 visitors, for each: u32 entry, u64 hash.
 */
#ifndef VISITCOUNTD_COUNT_JOURNAL_RECORD_H
#define VISITCOUNTD_COUNT_JOURNAL_RECORD_H

#include "base/buf.h"
#include "journal/sealed_batch.h"
#include "store/store.h"

#include <stddef.h>

/** A sealed batch with its site and epoch, which only its session knows. */
struct journal_record {
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    struct sealed_batch *sealed_batch; /* sequence and visits are set */
};

/** Appends the payload of `record` to `out`. */
void journal_record_encode(const struct journal_record *record, struct buf *out);

/**
 * Decodes a payload. Checks all of it: lengths, counts, the entries of tokens and visitors, no
 * entry with 0 hits. Returns 0 with a new sealed batch in `ret_record`, which the caller owns, or
 * -EBADMSG.
 */
int journal_record_decode(const char *bytes, size_t length, struct journal_record *ret_record);

#endif
