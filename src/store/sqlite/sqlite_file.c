/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_file.h"

#include "base/require.h"

#include "base/alloc.h"
#include "store/sqlite/sqlite_file_inside.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* how long a transaction waits for transactions of other processes */
#define BUSY_TIMEOUT_MS   2000
#define BUSY_SLEEP_MIN_US 500
#define BUSY_SLEEP_MAX_US 2000

/* from this length on, each commit moves what it can of the log into the file; SQLite's default */
#define CHECKPOINT_PAGES 1000

/* "vcnt" in the file's header marks the file as ours */
#define APPLICATION_ID 0x76636e74
#define SCHEMA_VERSION 2

#define TABLE(sql) sql ";"
#define ADDED(sql)
#define UPGRADE(sql)
#define ENSURE(sql)
#define STATEMENT(name, sql)
static const char schema_sql[] =
#include "store/sqlite/sqlite_sql.def"
    ;
#undef TABLE
#undef UPGRADE
#undef ADDED

#define TABLE(sql)
#define UPGRADE(sql)
#define ADDED(sql) sql ";"
static const char added_sql[] =
#include "store/sqlite/sqlite_sql.def"
    ;
#undef ADDED
#undef UPGRADE

#define ADDED(sql)
#define UPGRADE(sql) sql ";"
static const char upgrade_sql[] =
#include "store/sqlite/sqlite_sql.def"
    ;
#undef UPGRADE
#undef ENSURE

#define UPGRADE(sql)
#define ENSURE(sql) sql ";"
static const char ensure_sql[] =
#include "store/sqlite/sqlite_sql.def"
    ;
#undef ENSURE
#undef STATEMENT

#define ENSURE(sql)
#define STATEMENT(name, sql) sql,
static const char *const statement_sql[STATEMENT_COUNT] = {
#include "store/sqlite/sqlite_sql.def"
};
#undef TABLE
#undef ADDED
#undef UPGRADE
#undef ENSURE
#undef STATEMENT

const char *sqlite_file_library_version(void)
{
    return sqlite3_libversion();
}

/* notes the failed operation and the reason; returns -EIO */
static int fail(struct sqlite_file *file, int code, const char *what, const char *why)
{
    snprintf(file->status.error, sizeof(file->status.error), "%s: %s", what, why);
    file->error_code = code & 0xff;
    return -EIO;
}

/* the same, with SQLite's last error as the reason */
static int fail_in_sqlite(struct sqlite_file *file, const char *what)
{
    int code = sqlite3_extended_errcode(file->db);
    int error = sqlite3_system_errno(file->db);
    char why[200];

    if ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN) {
        return fail(file, code, what, sqlite3_errmsg(file->db));
    }
    if (error != 0) {
        snprintf(why, sizeof(why), "%s (%s)", sqlite3_errmsg(file->db), strerror(error));
    } else {
        snprintf(why, sizeof(why), "%s (code %d)", sqlite3_errmsg(file->db), code);
    }
    return fail(file, code, what, why);
}

void sqlite_file_close(struct sqlite_file *file)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    sqlite3_close(file->db);
    file->db = NULL;
    file->status.ready = false;
    file->status.log_pages = 0;
    file->status.is_log_used = false;
}

static int execute(struct sqlite_file *file, const char *sql, const char *what)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                      : fail_in_sqlite(file, what);
}

/* resets a statement after a step with result `rc`; 0, or -EIO with the error noted */
int sqlite_file_end_step(struct sqlite_file *file, sqlite3_stmt *statement, int rc,
                         const char *what)
{
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail_in_sqlite(file, what);

    sqlite3_reset(statement);
    return result;
}

/* runs a bound statement and ignores its rows */
int sqlite_file_run(struct sqlite_file *file, enum statement which, const char *what)
{
    require(which < STATEMENT_COUNT);
    return sqlite_file_end_step(file, file->statements[which],
                                sqlite3_step(file->statements[which]), what);
}

int sqlite_file_read_number(struct sqlite_file *file, enum statement which, const char *what,
                            int64_t *ret_number)
{
    sqlite3_stmt *statement = file->statements[which];
    int rc = sqlite3_step(statement);
    bool found = rc == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;

    require(which < STATEMENT_COUNT);
    if (found) {
        *ret_number = sqlite3_column_int64(statement, 0);
        rc = sqlite3_step(statement); /* to the end: only then is everything written */
    }
    return sqlite_file_end_step(file, statement, rc, what) == 0 ? found : -EIO;
}

void sqlite_file_bind_name(sqlite3_stmt *statement, int index, const char *text, size_t length)
{
    require(index > 0 && length <= INT_MAX);
    sqlite3_bind_text(statement, index, text, (int)length, SQLITE_STATIC);
}

void sqlite_file_bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    require(index > 0);
    sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

/* creates the missing directories above `path` */
static int make_directories(const char *path)
{
    char directory[PATH_MAX];

    if (strlen(path) >= sizeof(directory)) {
        return -ENAMETOOLONG;
    }
    strcpy(directory, path);
    for (char *slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    return 0;
}

/*
 * Creates the file if it is missing, with mode 0600 whatever the umask: it holds the salt of the
 * day. SQLite gives its mode to the log and to the index of the log. A file that exists keeps its
 * mode, which the operator chose. SQLite reports the errors, when it opens the file.
 */
static void create_private(const char *path)
{
    struct stat status;
    int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    int fd;

    if (stat(path, &status) == 0 || errno != ENOENT) {
        return;
    }
    fd = open(path, flags | O_EXCL, 0600);
    if (fd < 0 && errno == EEXIST && stat(path, &status) != 0) {
        fd = open(path, flags, 0600); /* a symbolic link to a file that is missing */
    }
    if (fd >= 0) {
        (void)fchmod(fd, 0600);
        close(fd);
    }
}

/* reads one integer, such as a pragma */
static int read_number(struct sqlite_file *file, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int result = -EIO;

    if (sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(statement, 0);
        result = 0;
    } else {
        fail_in_sqlite(file, "open");
    }
    sqlite3_finalize(statement);
    return result;
}

/* checks that the file is new (version 0), or ours and not newer than this program */
static int check_identity(struct sqlite_file *file, int64_t *ret_version)
{
    int64_t application;
    int64_t tables;
    char why[128];

    if (read_number(file, "PRAGMA application_id", &application) != 0 ||
        read_number(file, "PRAGMA user_version", ret_version) != 0 ||
        read_number(file, "SELECT count(*) FROM sqlite_master", &tables) != 0) {
        return -EIO;
    }
    if (application != APPLICATION_ID && (tables != 0 || application != 0 || *ret_version != 0)) {
        return fail(file, SQLITE_NOTADB, "open", "the database belongs to another program");
    }
    if (*ret_version > SCHEMA_VERSION) {
        snprintf(why, sizeof(why), "its schema is version %lld, this program knows %d",
                 (long long)*ret_version, SCHEMA_VERSION);
        return fail(file, SQLITE_NOTADB, "open", why);
    }
    return 0;
}

static int enter_wal_mode(struct sqlite_file *file)
{
    sqlite3_stmt *statement = NULL;
    bool done;

    if (sqlite3_prepare_v2(file->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) !=
            SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        fail_in_sqlite(file, "open");
        sqlite3_finalize(statement);
        return -EIO;
    }
    done = strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    return done ? 0 : fail(file, SQLITE_ERROR, "open", "it cannot have a write-ahead log");
}

/* creates the tables or upgrades them to this version */
static int make_tables(struct sqlite_file *file)
{
    int64_t version;

    if (check_identity(file, &version) != 0) {
        return -EIO;
    }
    if (version != SCHEMA_VERSION &&
        execute(file, version == 0 ? schema_sql : upgrade_sql, "open") != 0) {
        return -EIO;
    }
    return execute(file, ensure_sql, "open");
}

/* creates or upgrades the tables if needed; the commit proves that the file is writable */
static int claim(struct sqlite_file *file)
{
    char mark[96];

    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    if (execute(file, "BEGIN IMMEDIATE", "open") != 0 || make_tables(file) != 0 ||
        execute(file, added_sql, "open") != 0 || execute(file, mark, "open") != 0) {
        sqlite_file_recover(file);
        return -EIO;
    }
    return 0;
}

static int prepare(struct sqlite_file *file)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(file->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &file->statements[i], NULL) != SQLITE_OK) {
            return fail_in_sqlite(file, "open");
        }
    }
    return 0;
}

/*
 * Replaces SQLite's own busy handler. That one sleeps up to 100 ms at a time, but a busy process
 * takes the lock again in less than 1 ms, so others would wait for seconds.
 */
static int on_busy(void *data, int count)
{
    struct sqlite_file *file = data;
    uint64_t now_ms = clock_monotonic_ms();
    uint32_t random;

    if (count == 0) {
        file->busy_since_ms = now_ms;
    }
    sqlite3_randomness(sizeof(random), &random);
    usleep(BUSY_SLEEP_MIN_US + random % (BUSY_SLEEP_MAX_US - BUSY_SLEEP_MIN_US));
    return now_ms - file->busy_since_ms < BUSY_TIMEOUT_MS;
}

/* runs after each commit; replaces SQLite's own hook, to note how long the log is */
static int on_log(void *data, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_file *file = data;

    file->status.log_pages = pages;
    if (pages >= CHECKPOINT_PAGES) {
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

int sqlite_file_truncate_log(struct sqlite_file *file)
{
    int rc;

    sqlite3_busy_handler(file->db, NULL, NULL);
    rc = sqlite3_wal_checkpoint_v2(file->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_handler(file->db, on_busy, file);
    file->status.is_log_used = rc != SQLITE_OK;
    if (rc != SQLITE_OK) {
        return -EBUSY;
    }
    file->status.log_pages = 0;
    file->has_erased = false;
    return 0;
}

int sqlite_file_empty_log(struct sqlite_file *file)
{
    return file->db != NULL ? sqlite_file_truncate_log(file) : -EBUSY;
}

static int open_database(struct sqlite_file *file)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int64_t version;
    int error = make_directories(file->path);

    if (error != 0) {
        return fail(file, SQLITE_CANTOPEN, "make the directory", strerror(-error));
    }
    create_private(file->path);
    if (sqlite3_open_v2(file->path, &file->db, flags, NULL) != SQLITE_OK) {
        return fail_in_sqlite(file, "open");
    }
    if (sqlite3_db_readonly(file->db, "main") == 1) {
        return fail(file, SQLITE_READONLY, "open", "the file cannot be written");
    }
    sqlite3_busy_handler(file->db, on_busy, file);
    sqlite3_wal_hook(file->db, on_log, file);
    if (check_identity(file, &version) != 0) {
        return -EIO;
    }
    /*
     * MEMORY, because a rollback must not depend on a directory for temporary files. secure_delete
     * clears salts and visitors' hashes when they are deleted.
     */
    if (execute(file,
                "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON",
                "open") != 0) {
        return -EIO;
    }
    return enter_wal_mode(file);
}

void sqlite_file_open(struct sqlite_file *file)
{
    bool was_open = file->db != NULL;

    if (!was_open && open_database(file) != 0) {
        sqlite_file_close(file);
        return;
    }
    if (claim(file) != 0 ||
        (!was_open && (prepare(file) != 0 || sqlite_file_begin_sweeping(file) != 0))) {
        if (!was_open && file->db != NULL) {
            sqlite_file_close(file);
        }
        return;
    }
    file->has_erased = true; /* an earlier process may have ended before it truncated the log */
    file->status.ready = true;
    file->status.opens += was_open ? 0 : 1;
}

static int open_to_read(struct sqlite_file *file)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    int64_t version;

    if (sqlite3_open_v2(file->path, &file->db, flags, NULL) != SQLITE_OK) {
        return fail_in_sqlite(file, "open");
    }
    sqlite3_busy_handler(file->db, on_busy, file);
    if (check_identity(file, &version) != 0) {
        return -EIO;
    }
    if (version != SCHEMA_VERSION) {
        return fail(file, SQLITE_CANTOPEN, "open", "the database has no tables of this version");
    }
    return execute(file, "PRAGMA temp_store = MEMORY", "open") != 0 ? -EIO : prepare(file);
}

void sqlite_file_open_to_read(struct sqlite_file *file)
{
    if (file->db != NULL) {
        return;
    }
    if (open_to_read(file) != 0) {
        sqlite_file_close(file);
        return;
    }
    file->status.ready = true;
    file->status.opens++;
}

bool sqlite_file_is_open(const struct sqlite_file *file)
{
    return file->db != NULL;
}

/* checks that the open file was not moved or removed, because its visits would be lost */
static int check_place(struct sqlite_file *file)
{
    int moved = 0;

    sqlite3_file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? fail(file, SQLITE_IOERR, "begin", "the file was moved or removed") : 0;
}

int sqlite_file_begin(struct sqlite_file *file, bool writes)
{
    require(file->db == NULL || sqlite3_get_autocommit(file->db) != 0);
    if (file->db == NULL) {
        file->error_code = SQLITE_CANTOPEN; /* the status has its own reason */
        return -EIO;
    }
    file->status.transactions++;
    file->writes = writes;
    if (check_place(file) != 0) {
        return -EIO;
    }
    return sqlite_file_run(file, writes ? BEGIN_TO_WRITE : BEGIN_TO_READ, "begin");
}

enum store_outcome sqlite_file_commit(struct sqlite_file *file)
{
    require(file->db != NULL);
    if (file->writes && sqlite_file_sweep(file) != 0) {
        return STORE_REFUSED;
    }
    if (sqlite_file_run(file, COMMIT, "commit") == 0) {
        file->status.commits += file->writes;
        file->status.ready |= file->writes;
        if (file->writes) {
            sqlite_file_erase(file);
        }
        return STORE_OK;
    }
    /*
     * If the disk is full, the log lacks the end of the commit, so the commit is void. After any
     * other error the commit may be complete in the file, and valid when the file is opened again.
     */
    return file->error_code == SQLITE_BUSY || file->error_code == SQLITE_FULL ? STORE_REFUSED
                                                                              : STORE_UNKNOWN;
}

enum store_scope sqlite_file_error_scope(const struct sqlite_file *file)
{
    switch (file->error_code) {
    case SQLITE_CONSTRAINT: /* includes errors that a trigger raises */
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
        return STORE_SCOPE_SITE;
    default: /* full, busy, read-only, an I/O error, no database, damaged, no memory … */
        return STORE_SCOPE_SERVER;
    }
}

void sqlite_file_recover(struct sqlite_file *file)
{
    if (file->db == NULL) {
        return;
    }
    if (!sqlite3_get_autocommit(file->db)) {
        sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    }
    /* after a transient error the file stays open: locked, or the disk is full but readable */
    if (file->error_code == SQLITE_FULL) {
        file->status.ready = false;
    } else if (file->error_code != SQLITE_BUSY &&
               sqlite_file_error_scope(file) == STORE_SCOPE_SERVER) {
        sqlite_file_close(file);
    }
}

const struct sqlite_file_status *sqlite_file_status(const struct sqlite_file *file)
{
    return &file->status;
}

struct sqlite_file *sqlite_file_create(const struct sqlite_store_options *options)
{
    struct sqlite_file *file = alloc_zero(1, sizeof(*file));

    require(options->path[0] != '\0');
    file->path = alloc_text(options->path);
    /* memory statistics are not used, and cost a lock per allocation */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    file->keep_tokens_ms = options->keep_tokens_ms;
    file->ledger_ttl_ms = options->ledger_ttl_ms;
    file->series_days_ms = options->series_days_ms;
    file->series_hours_ms = options->series_hours_ms;
    return file;
}

void sqlite_file_destroy(struct sqlite_file *file)
{
    require(file == NULL || file->db == NULL);
    if (file == NULL) {
        return;
    }
    free(file->path);
    free(file);
}
