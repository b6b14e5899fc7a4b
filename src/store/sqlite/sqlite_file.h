/* SPDX-License-Identifier: MIT */
/**
 * sqlite_file: the database file of sqlite_store. sqlite_file.c opens it and runs transactions.
 * sqlite_apply.c, sqlite_read.c, sqlite_edit.c and sqlite_sweep.c access its tables.
 *
 * One thread uses it at a time: the disk thread while a job is in flight, else the thread of the
 * loop. Reads have another connection, which the thread of sqlite_reader.c uses.
 *
 * Functions that return int return 0, or -EIO after noting in the status what failed and why. After
 * -EIO the transaction is lost for all of its calls; call sqlite_file_recover() next.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_FILE_H
#define VISITCOUNTD_STORE_SQLITE_FILE_H

#include "base/buf.h"
#include "store/sqlite/sqlite_types.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite_file;

/** Creates a file that is not open yet. `options` is copied. Aborts when out of memory. */
struct sqlite_file *sqlite_file_create(const struct sqlite_store_options *options);

/** Frees a closed file. NULL is allowed. */
void sqlite_file_destroy(struct sqlite_file *file);

/**
 * Opens the file unless it is open, creates or checks its tables, and proves with a commit that it
 * is writable. The status holds the result.
 */
void sqlite_file_open(struct sqlite_file *file);

/**
 * Opens the file to read only, unless it is open. Another connection must have created its tables.
 * The status holds the result.
 */
void sqlite_file_open_to_read(struct sqlite_file *file);

/** Returns whether the file is open. */
bool sqlite_file_is_open(const struct sqlite_file *file);

/**
 * Moves the write-ahead log into the file and truncates it, unless another connection uses it.
 * Returns 0 or -EBUSY.
 */
int sqlite_file_empty_log(struct sqlite_file *file);

/** Closes the file. The last connection moves the write-ahead log into it. */
void sqlite_file_close(struct sqlite_file *file);

/** Returns the status. It is valid as long as the file, and unchanged until the next call. */
const struct sqlite_file_status *sqlite_file_status(const struct sqlite_file *file);

/** Returns the version of SQLite. */
const char *sqlite_file_library_version(void);

/** Begins a transaction. Returns -EIO also if the file is closed; the status says why. */
int sqlite_file_begin(struct sqlite_file *file, bool writes);

/**
 * Commits the transaction. STORE_OK: it is on the disk. STORE_REFUSED: certainly no part of it is.
 * STORE_UNKNOWN: only reopening the file shows it. Unless STORE_OK, call sqlite_file_recover()
 * next.
 */
enum store_outcome sqlite_file_commit(struct sqlite_file *file);

/** Returns the scope of the last error: all sites, unless contents of the tables caused it. */
enum store_scope sqlite_file_error_scope(const struct sqlite_file *file);

/** After an error: rolls back, and closes the file unless the error is transient. */
void sqlite_file_recover(struct sqlite_file *file);

/* --- sqlite_apply.c --- */

/** The answer to a batch: totals and visitors per entry, and per token whether it is a duplicate.
 */
struct sqlite_answer {
    uint64_t *totals;
    uint64_t *uniques;
    bool *duplicates;
};

/** Counts the pages of a site. */
int sqlite_file_count_pages(struct sqlite_file *file, const char *site, uint64_t *ret_count);

/**
 * Adds `hits` to the total and series of a page. `page` is the result of sqlite_file_find(); a page
 * that does not exist is created. The sum must be at most INT64_MAX.
 */
int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, struct sqlite_page *page);

/**
 * Notes that a token was seen at the batch's second on a page; `page` is its token_key_page().
 * Returns 1 if the token was seen on this page within its window before, else 0.
 */
int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token, uint64_t page);

/** Returns 1 if the file has tokens in a form that this version does not store, else 0. */
int sqlite_file_has_old_tokens(struct sqlite_file *file);

/**
 * Returns 1 if version 0.2 saw the token on the page, or a version before that on any page, within
 * its window, else 0. `page` is the page's token_key_page().
 */
int sqlite_file_find_old(struct sqlite_file *file, const struct store_batch *batch,
                         const struct store_token *token, uint64_t page);

/** Adds visitors to a page on the batch's day. Does nothing if the page does not exist. */
int sqlite_file_meet(struct sqlite_file *file, const struct store_batch *batch,
                     const struct sqlite_page *page, const struct store_visitor *visitors,
                     size_t count);

/**
 * Reads the last position of the batch's epoch in the ledger; zeros if the epoch is unknown. If
 * that is the batch's own sequence, writes the stored answer to `answer` and returns 1. Otherwise
 * returns 0. If `answer` is NULL, only site and epoch of the batch are used.
 */
int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, const struct sqlite_answer *answer);

/** Stores the batch and its answer as the last one of its epoch. */
int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const struct sqlite_answer *answer);

/* --- sqlite_read.c --- */

/** A list of pages or sites. Initialise it with zeros; free it with sqlite_list_finish(). */
struct sqlite_list {
    struct store_page *pages; /* sites: only the names are set */
    size_t count;
    struct buf names; /* memory of the names */
    bool has_more;    /* scan: the site has more pages */
};

void sqlite_list_finish(struct sqlite_list *list);

/** Finds a page of a site. */
int sqlite_file_find(struct sqlite_file *file, const char *site, const struct store_entry *entry,
                     struct sqlite_page *ret_page);

/** Reads a page's total; 0 if the page does not exist. */
int sqlite_file_read_total(struct sqlite_file *file, const char *site,
                           const struct store_entry *page, uint64_t *ret_total);

/** Read one number per page, or per step; see struct store_read and struct store_series. */
int sqlite_file_read(struct sqlite_file *file, const struct store_query *query,
                     uint64_t *ret_numbers);
int sqlite_file_read_series(struct sqlite_file *file, const struct store_span *span,
                            uint64_t *ret_numbers);

/** Reads the `count` pages of a site with the highest totals. */
int sqlite_file_read_top(struct sqlite_file *file, const char *site, size_t count,
                         struct sqlite_list *ret_list);

/**
 * Reads up to `count` pages of a site whose names sort after `after`, in the order of their names.
 */
int sqlite_file_scan(struct sqlite_file *file, const char *site, const char *after, size_t count,
                     struct sqlite_list *ret_list);

/** Counts the admitted sites. */
int sqlite_file_count_sites(struct sqlite_file *file, uint64_t *ret_count);

/** Reads the admitted sites. */
int sqlite_file_read_sites(struct sqlite_file *file, struct sqlite_list *ret_list);

/** Reads a number that changes whenever another process has changed the file. */
int sqlite_file_read_version(struct sqlite_file *file, uint64_t *ret_version);

/* --- sqlite_edit.c --- */

/** Edits a page. Returns -ERANGE, with nothing changed, if the total would be too large. */
int sqlite_file_edit(struct sqlite_file *file, const struct store_edit *edit, uint64_t *ret_before,
                     uint64_t *ret_after);

/** Admits a site unless `limit` others are admitted. Returns 1 if the site is admitted, else 0. */
int sqlite_file_admit(struct sqlite_file *file, const char *site, uint64_t limit);

/**
 * Reads the salt of a day into `salt`. If the day has none yet, stores the contents of `salt` as
 * its salt.
 */
int sqlite_file_salt(struct sqlite_file *file, uint64_t day, char salt[STORE_SALT_LENGTH + 1]);

/* --- sqlite_sweep.c --- */

/** Determines the latest time that has certainly passed. Call it once after the file was opened. */
int sqlite_file_begin_sweeping(struct sqlite_file *file);

/**
 * Deletes some expired rows; part of each transaction that writes. Numbers by day and hour are
 * deleted only by a proven clock (sweep_clock.h). Visitors and salts are deleted by the wall clock
 * alone.
 */
int sqlite_file_sweep(struct sqlite_file *file);

/**
 * Runs a transaction that only sweeps, for a store without visits. Call it until
 * `status->erased_hour` is the present hour.
 */
void sqlite_file_sweep_alone(struct sqlite_file *file);

/**
 * Removes deleted rows from the files as well, once an hour, after everything expired was deleted.
 * Call it outside of a transaction.
 */
void sqlite_file_erase(struct sqlite_file *file);

/**
 * Returns the time to store for a use of the ledger. A clock that is behind does not make it look
 * old.
 */
uint64_t sqlite_file_used_at_ms(struct sqlite_file *file);

/** Deletes the ledger entries that were unused for ledger_ttl_ms, by the proven time only. */
int sqlite_file_sweep_ledger(struct sqlite_file *file);

#endif
