/* SPDX-License-Identifier: MIT */
/**
 * sqlite_file_inside: the open database and its statements.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_FILE_INSIDE_H
#define VISITCOUNTD_STORE_SQLITE_FILE_INSIDE_H

#include "store/sqlite/sqlite_types.h"
#include "store/sqlite/sweep_clock.h"

#include <sqlite3.h>
#include <stddef.h>

#define TABLE(sql)
#define ADDED(sql)
#define UPGRADE(sql)
#define ENSURE(sql)
#define STATEMENT(name, sql) name,
enum statement {
#include "store/sqlite/sqlite_sql.def"
    STATEMENT_COUNT
};
#undef STATEMENT
#undef ENSURE
#undef UPGRADE
#undef ADDED
#undef TABLE

struct sqlite_file {
    char *path;
    uint64_t keep_tokens_ms;
    uint64_t ledger_ttl_ms;
    uint64_t series_days_ms;
    uint64_t series_hours_ms;
    sqlite3 *db; /* NULL while closed */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    bool writes; /* the open transaction may write */
    struct sweep_clock sweep_clock;
    uint64_t proven_day;   /* as stored in the file */
    uint64_t swept_hour;   /* the last hour in which all expired rows were deleted */
    uint64_t swept_second; /* the same for tokens, in seconds */
    bool has_erased;       /* rows were deleted that the log still holds; see sqlite_file_erase() */
    uint64_t busy_since_ms;
    int error_code; /* SQLite's primary code of the last error */
    struct sqlite_file_status status;
};

/* resets a statement after a step with result `rc`; 0, or -EIO with the error noted for `what` */
int sqlite_file_end_step(struct sqlite_file *file, sqlite3_stmt *statement, int rc,
                         const char *what);

/* checkpoints and truncates the log without waiting for others; -EBUSY if a reader uses it */
int sqlite_file_truncate_log(struct sqlite_file *file);

/* runs a bound statement and ignores its rows */
int sqlite_file_run(struct sqlite_file *file, enum statement which, const char *what);

/*
 * Runs a bound statement and reads the first column of its only row. Returns 1, 0 if there is no
 * row, or -EIO.
 */
int sqlite_file_read_number(struct sqlite_file *file, enum statement which, const char *what,
                            int64_t *ret_number);

void sqlite_file_bind_u64(sqlite3_stmt *statement, int index, uint64_t value);
void sqlite_file_bind_name(sqlite3_stmt *statement, int index, const char *text, size_t length);

/* finds a page of a site; id 0 if there is none */
int sqlite_file_find_page(struct sqlite_file *file, const char *site, const char *name,
                          size_t length, struct sqlite_page *ret_page);

/* sets the total of a page that sqlite_file_find_page() filled in; creates the page if it has no id
 */
int sqlite_file_set_total(struct sqlite_file *file, const char *site, const char *name,
                          size_t length, int64_t total, struct sqlite_page *page);

/* adds to a page's number of a day or hour */
int sqlite_file_add_at(struct sqlite_file *file, enum statement which, uint64_t time,
                       int64_t page_id, int64_t number);

/* returns the time `ago_ms` before `now_ms`, but not before 1970 */
static inline uint64_t sqlite_file_before(uint64_t now_ms, uint64_t ago_ms)
{
    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

#define MS_PER_HOUR 3600000
#define MS_PER_DAY  86400000

#endif
