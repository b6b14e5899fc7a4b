/* SPDX-License-Identifier: MIT */
/**
 * sqlite_reader: the reads of sqlite_store, on a connection and a thread of their own, so that
 * visits do not wait for them.
 *
 * A read begins after it was called, in a transaction of its own. So it sees each batch and edit
 * that was answered before. Identical reads that wait at the same time share one answer. Reads of
 * operators go first.
 *
 * A read keeps the write-ahead log from being emptied. The store therefore holds the reader back
 * for a moment when the log is too long.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_READER_H
#define VISITCOUNTD_STORE_SQLITE_READER_H

#include "loop/loop.h"
#include "store/sqlite/sqlite_types.h"
#include "store/sqlite/sqlite_waiting.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_reader;

/**
 * Creates a reader that is held; see sqlite_reader_hold(). `on_idle` runs in the loop when a reader
 * that is held has finished its last read.
 */
struct sqlite_reader *sqlite_reader_create(struct loop *loop,
                                           const struct sqlite_store_options *options,
                                           void (*on_idle)(void *data), void *data);

/**
 * Waits for the thread. Answers the reads that it has finished, refuses the others, and frees the
 * reader. NULL is allowed.
 */
void sqlite_reader_destroy(struct sqlite_reader *reader);

/** Adds a read, which the reader then owns. */
void sqlite_reader_add(struct sqlite_reader *reader, struct waiting_call *call, bool for_operator);

/** Begins no more reads until the release. Returns whether none is running now. */
bool sqlite_reader_hold(struct sqlite_reader *reader);

/** Begins reads again. */
void sqlite_reader_release(struct sqlite_reader *reader);

/** Returns the number of reads without an answer. */
size_t sqlite_reader_count(const struct sqlite_reader *reader);

/** Returns the number of transactions so far. */
uint64_t sqlite_reader_transactions(const struct sqlite_reader *reader);

#endif
