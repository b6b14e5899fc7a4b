/* SPDX-License-Identifier: MIT */
/**
 * sqlite_file: the database file of sqlite_store: opening it, its transactions, and what is done to
 * its tables. Its source is the only one that sees sqlite3.h.
 *
 * Used by one thread at a time: the disk thread while a job is in flight, the loop otherwise.
 *
 * What returns int returns 0, or -EIO after noting in the status what failed and why. The
 * transaction is then over for all who take part in it: sqlite_file_recover() comes next.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_FILE_H
#define VISITCOUNTD_STORE_SQLITE_FILE_H

#include "store/sqlite_store.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite_file;

/** What became of the file so far. */
struct sqlite_file_status {
    bool ready;            /* open, and the last write did not find the disk full */
    char error[256];       /* the last thing that failed and why; empty when nothing did */
    uint64_t opens;        /* that succeeded */
    uint64_t transactions; /* that were begun */
    uint64_t commits;      /* of transactions that write */
};

/** A file that is not open yet; `options` is copied. Aborts when out of memory. */
struct sqlite_file *sqlite_file_create(const struct sqlite_store_options *options);

/** Frees a file that is closed. NULL is allowed. */
void sqlite_file_destroy(struct sqlite_file *file);

/**
 * Opens the file unless it is open, makes or checks its tables, and proves with a commit that it
 * can be written. What came of it is in the status.
 */
void sqlite_file_open(struct sqlite_file *file);

/** Closes the file, which brings the write-ahead log into it. */
void sqlite_file_close(struct sqlite_file *file);

/** The status; valid as long as the file, and unchanged until the next call. */
const struct sqlite_file_status *sqlite_file_status(const struct sqlite_file *file);

/** The version of the library. */
const char *sqlite_file_library_version(void);

/** Begins a transaction; -EIO also when the file is closed, for the reason in the status. */
int sqlite_file_begin(struct sqlite_file *file, bool writes);

/**
 * Ends the transaction. STORE_OK: it is on the disk. STORE_REFUSED: certainly nothing of it.
 * STORE_UNKNOWN: that shows when the file is opened again. Unless STORE_OK, sqlite_file_recover()
 * comes next.
 */
enum store_outcome sqlite_file_commit(struct sqlite_file *file);

/** After an error: rolls back, and closes the file unless the error is one that passes. */
void sqlite_file_recover(struct sqlite_file *file);

/** Begins a part of the transaction that may be undone alone. */
int sqlite_file_begin_batch(struct sqlite_file *file);

/** Ends this part; unless `keep`, all of it is undone. */
int sqlite_file_end_batch(struct sqlite_file *file, bool keep);

/**
 * Adds `hits` to the total and series of the entry's page. `ret_total` is the new total. -ERANGE:
 * it would be too large a number; then the batch is to be undone.
 */
int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, uint64_t *ret_total);

/**
 * Notes that a token was seen at the batch's second. Returns 1 when it had been seen before, less
 * than its window ago, else 0.
 */
int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token);

/** Reads a page's total, 0 when it is not there. */
int sqlite_file_read_total(struct sqlite_file *file, const char *site,
                           const struct store_entry *page, uint64_t *ret_total);

/**
 * Reads where the ledger of the batch's epoch is, zeros when it is unknown. Returns 1 when that is
 * the batch's own sequence and its stored answer was written: a total per entry, and per token
 * whether its visit was not counted again; 0 otherwise. With `ret_totals` NULL only site and epoch
 * of the batch are looked at.
 */
int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, uint64_t *ret_totals,
                            bool *ret_repeated);

/** Makes the batch with its answer the last one of its epoch. */
int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const uint64_t *totals, const bool *repeated);

/** Drops the ledger entries that were not used for ledger_ttl_ms. */
int sqlite_file_sweep_ledger(struct sqlite_file *file);

#endif
