/* SPDX-License-Identifier: MIT */
/**
 * sqlite_file: the database file of sqlite_store: opening it and its transactions (sqlite_file.c),
 * and what is done to its tables (sqlite_apply.c, sqlite_read.c, sqlite_edit.c,
 * sqlite_sweep.c).
 *
 * Used by one thread at a time: the disk thread while a job is in flight, the loop otherwise.
 *
 * What returns int returns 0, or -EIO after noting in the status what failed and why. The
 * transaction is then over for all who take part in it: sqlite_file_recover() comes next.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_FILE_H
#define VISITCOUNTD_STORE_SQLITE_FILE_H

#include "base/buf.h"
#include "store/sqlite/sqlite_types.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite_file;

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

/** Whom the last error concerns: all sites, unless it is one of what stands in the tables. */
enum store_scope sqlite_file_error_scope(const struct sqlite_file *file);

/** After an error: rolls back, and closes the file unless the error is one that passes. */
void sqlite_file_recover(struct sqlite_file *file);

/* --- sqlite_apply.c --- */

/** What is answered to a batch: totals and numbers of visitors per entry, and a bool per token. */
struct sqlite_answer {
    uint64_t *totals;
    uint64_t *uniques;
    bool *repeated;
};

/** How many pages a site has. */
int sqlite_file_count_pages(struct sqlite_file *file, const char *site, uint64_t *ret_count);

/**
 * Adds `hits` to the total and series of a page that was looked for, which is made when there is
 * none. The sum is at most INT64_MAX.
 */
int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, struct sqlite_page *page);

/**
 * Notes that a token was seen at the batch's second, on the page that token_key_page() returned
 * `page` for. Returns 1 when it had been seen there before, less than its window ago, else 0.
 */
int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token, uint64_t page);

/** Returns 1 when there are tokens that a version before 0.2 kept, without their pages, else 0. */
int sqlite_file_has_old_tokens(struct sqlite_file *file);

/** Returns 1 when such a version saw the token, less than its window ago, else 0. */
int sqlite_file_find_old(struct sqlite_file *file, const struct store_batch *batch,
                         const struct store_token *token);

/** Adds visitors to those of a page on the batch's day, unless there is no such page. */
int sqlite_file_meet(struct sqlite_file *file, const struct store_batch *batch,
                     const struct sqlite_page *page, const struct store_visitor *visitors,
                     size_t count);

/**
 * Reads where the ledger of the batch's epoch is, zeros when it is unknown. Returns 1 when that is
 * the batch's own sequence and its stored answer was written; 0 otherwise. With `answer` NULL only
 * site and epoch of the batch are looked at.
 */
int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, const struct sqlite_answer *answer);

/** Makes the batch with its answer the last one of its epoch. */
int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const struct sqlite_answer *answer);

/* --- sqlite_read.c --- */

/** A list that was read; zero at first, freed by sqlite_list_finish(). */
struct sqlite_list {
    struct store_page *pages; /* of a list of sites only the names */
    size_t count;
    struct buf names; /* what the pages point into */
    bool has_more;    /* scan: the last one is not the last of the site */
};

void sqlite_list_finish(struct sqlite_list *list);

/** Looks for a site's page. */
int sqlite_file_find(struct sqlite_file *file, const char *site, const struct store_entry *entry,
                     struct sqlite_page *ret_page);

/** Reads a page's total, 0 when it is not there. */
int sqlite_file_read_total(struct sqlite_file *file, const char *site,
                           const struct store_entry *page, uint64_t *ret_total);

/** Reads one number per page, or per step, as the contract says. */
int sqlite_file_read(struct sqlite_file *file, const struct store_query *query,
                     uint64_t *ret_numbers);
int sqlite_file_read_series(struct sqlite_file *file, const struct store_span *span,
                            uint64_t *ret_numbers);

/** Reads the `count` pages of a site with the highest totals. */
int sqlite_file_read_top(struct sqlite_file *file, const char *site, size_t count,
                         struct sqlite_list *ret_list);

/** Reads up to `count` pages of a site behind `after`, in the order of their names. */
int sqlite_file_scan(struct sqlite_file *file, const char *site, const char *after, size_t count,
                     struct sqlite_list *ret_list);

/** Reads the sites that were admitted. */
int sqlite_file_read_sites(struct sqlite_file *file, struct sqlite_list *ret_list);

/** A number that is another one when another process has changed the file. */
int sqlite_file_read_version(struct sqlite_file *file, uint64_t *ret_version);

/* --- sqlite_edit.c --- */

/** Edits a page; -ERANGE: the number would be too large, and nothing was changed. */
int sqlite_file_edit(struct sqlite_file *file, const struct store_edit *edit, uint64_t *ret_before,
                     uint64_t *ret_after);

/** Admits a site unless there are `limit` others; 1 or 0. */
int sqlite_file_admit(struct sqlite_file *file, const char *site, uint64_t limit);

/** Reads the salt of a day, which is `salt` where there is none yet. */
int sqlite_file_salt(struct sqlite_file *file, uint64_t day, char salt[STORE_SALT_LENGTH + 1]);

/* --- sqlite_sweep.c --- */

/** Finds out up to when time has certainly gone; once, when the file was opened. */
int sqlite_file_begin_sweeping(struct sqlite_file *file);

/**
 * Drops some of what has outlived its time; part of each transaction that writes. Numbers by day
 * and hour wait until the clock is proven (sweep_clock.h). Visitors and salts do not wait.
 */
int sqlite_file_sweep(struct sqlite_file *file);

/** The time of a use of the ledger: a clock that is behind does not make an entry in use look old.
 */
uint64_t sqlite_file_used_at_ms(struct sqlite_file *file);

/** Drops the ledger entries that were not used for ledger_ttl_ms, as far as the clock is proven. */
int sqlite_file_sweep_ledger(struct sqlite_file *file);

#endif
