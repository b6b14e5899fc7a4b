/* SPDX-License-Identifier: MIT */
/**
 * sqlite_inside: the inside of sqlite_file: the open database and its statements, shared by
 * sqlite_file.c (opening, transactions), sqlite_apply.c, sqlite_read.c, sqlite_edit.c and
 * sqlite_sweep.c. Nobody else includes it, and nothing else sees sqlite3.h.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_INSIDE_H
#define VISITCOUNTD_STORE_SQLITE_INSIDE_H

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
    bool writes; /* what the open transaction may do */
    struct sweep_clock sweep_clock;
    uint64_t proven_day;   /* as in the file */
    uint64_t swept_hour;   /* the hour in which nothing was left to drop */
    uint64_t swept_second; /* likewise of the tokens */
    uint64_t busy_since_ms;
    int error_code; /* SQLite's primary code of the last error */
    struct sqlite_file_status status;
};

/* ends a step that was made with result `rc`; 0, or -EIO with the error noted as one of `what` */
int sqlite_end_step(struct sqlite_file *file, sqlite3_stmt *statement, int rc, const char *what);

/* runs a statement that is bound already, for what it does */
int sqlite_run(struct sqlite_file *file, enum statement which, const char *what);

/*
 * Runs a statement that is bound already and reads the first column of its only row. Returns 1, or
 * 0 when there is no row, or -EIO.
 */
int sqlite_take_number(struct sqlite_file *file, enum statement which, const char *what,
                       int64_t *ret_number);

void sqlite_bind_u64(sqlite3_stmt *statement, int index, uint64_t value);
void sqlite_bind_name(sqlite3_stmt *statement, int index, const char *text, size_t length);

/* looks for a site's page */
int sqlite_find_page(struct sqlite_file *file, const char *site, const char *name, size_t length,
                     struct sqlite_page *ret_page);

/* sets the total of a page that was looked for; when there was none, it is made */
int sqlite_set_total(struct sqlite_file *file, const char *site, const char *name, size_t length,
                     int64_t total, struct sqlite_page *page);

/* adds to the number that a page has at a time */
int sqlite_add_at(struct sqlite_file *file, enum statement which, uint64_t time, int64_t page_id,
                  int64_t number);

/* `ago_ms` before `now_ms`, not before 1970 */
static inline uint64_t sqlite_before(uint64_t now_ms, uint64_t ago_ms)
{
    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

#define MS_PER_HOUR 3600000
#define MS_PER_DAY  86400000

#endif
