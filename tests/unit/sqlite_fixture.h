/* SPDX-License-Identifier: MIT */
/**
 * sqlite_fixture: a second connection to the file of a SQLite store, in addition to
 * store_fixture.h.
 */
#ifndef VISITCOUNTD_TESTS_UNIT_SQLITE_FIXTURE_H
#define VISITCOUNTD_TESTS_UNIT_SQLITE_FIXTURE_H

#include "store_fixture.h"

#include <errno.h>
#include <sqlite3.h>

static inline sqlite3 *open_file(struct fixture *fixture)
{
    sqlite3 *db;
    char *slash;

    slash = strrchr(fixture->path, '/');
    *slash = '\0';
    assert_true(mkdir(fixture->path, 0700) == 0 || errno == EEXIST);
    *slash = '/';
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    return db;
}

/* runs SQL on the file */
static inline void change(struct fixture *fixture, const char *sql)
{
    sqlite3 *db = open_file(fixture);

    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* returns the one number that the query yields */
static inline int64_t ask(struct fixture *fixture, const char *sql)
{
    sqlite3 *db = open_file(fixture);
    sqlite3_stmt *statement;
    int64_t number;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static inline struct store_health health_of(struct fixture *fixture)
{
    struct store_health health;

    store_health(fixture->store, &health);
    return health;
}

/* waits until the store has tried to open the file and failed; the reason is in its health */
static inline struct store_health wait_for_failure(struct fixture *fixture)
{
    struct store_health health;

    do {
        assert_int_equal(apply_page(fixture, EPOCH_A, 1, "/", 1).outcome, STORE_REFUSED);
        health = health_of(fixture);
    } while (health.last_error[0] == '\0');
    assert_false(health.available);
    assert_string_equal(health.state, "down");
    return health;
}

#endif
