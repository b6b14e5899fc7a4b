/* SPDX-License-Identifier: MIT */
#include "store/sqlite_file.h"

#include "base/clock.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS_PER_HOUR 3600000
#define MS_PER_DAY  86400000

/* how long a transaction waits for those of other processes */
#define BUSY_TIMEOUT_MS   2000
#define BUSY_SLEEP_MIN_US 500
#define BUSY_SLEEP_MAX_US 2000

/* "vcnt" in the file's header: this file is ours */
#define APPLICATION_ID 0x76636e74
#define SCHEMA_VERSION 1

#define TABLE(sql) sql ";"
#define STATEMENT(name, sql)
static const char schema_sql[] =
#include "store/sqlite_sql.def"
    ;
#undef TABLE
#undef STATEMENT

#define TABLE(sql)
#define STATEMENT(name, sql) name,
enum statement {
#include "store/sqlite_sql.def"
    STATEMENT_COUNT
};
#undef STATEMENT

#define STATEMENT(name, sql) sql,
static const char *const statement_sql[STATEMENT_COUNT] = {
#include "store/sqlite_sql.def"
};
#undef TABLE
#undef STATEMENT

struct sqlite_file {
    char *path;
    uint64_t ledger_ttl_ms;
    uint64_t series_days_ms;
    uint64_t series_hours_ms;
    sqlite3 *db; /* NULL while closed */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    bool writes;         /* what the open transaction may do */
    uint64_t swept_hour; /* the hour in which the series were last free of what is too old */
    uint64_t busy_since_ms;
    int error_code; /* SQLite's primary code of the last error */
    struct sqlite_file_status status;
};

const char *sqlite_file_library_version(void)
{
    return sqlite3_libversion();
}

/* notes what failed and why; returns -EIO */
static int fail(struct sqlite_file *file, int code, const char *what, const char *why)
{
    snprintf(file->status.error, sizeof(file->status.error), "%s: %s", what, why);
    file->error_code = code & 0xff;
    return -EIO;
}

/* the same with what SQLite says about its last error */
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
}

static int execute(struct sqlite_file *file, const char *sql, const char *what)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                      : fail_in_sqlite(file, what);
}

/* ends a step that was made with result `rc`; 0, or -EIO with the error noted */
static int end_step(struct sqlite_file *file, sqlite3_stmt *statement, int rc, const char *what)
{
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail_in_sqlite(file, what);

    sqlite3_reset(statement);
    return result;
}

/* runs a statement that is bound already, for what it does */
static int run(struct sqlite_file *file, enum statement which, const char *what)
{
    return end_step(file, file->statements[which], sqlite3_step(file->statements[which]), what);
}

static void bind_u64(sqlite3_stmt *statement, int index, uint64_t value)
{
    sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

/* makes the directories above `path` where there are none */
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

/* reads one whole number, such as a pragma */
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

/* whether the file may be used: ours and not newer than this program, or new */
static int check_identity(struct sqlite_file *file, bool *ret_is_new)
{
    int64_t application;
    int64_t version;
    int64_t tables;
    char why[128];

    if (read_number(file, "PRAGMA application_id", &application) != 0 ||
        read_number(file, "PRAGMA user_version", &version) != 0 ||
        read_number(file, "SELECT count(*) FROM sqlite_master", &tables) != 0) {
        return -EIO;
    }
    *ret_is_new = tables == 0 && application == 0 && version == 0;
    if (!*ret_is_new && application != APPLICATION_ID) {
        return fail(file, SQLITE_NOTADB, "open", "the database belongs to another program");
    }
    if (version > SCHEMA_VERSION) {
        snprintf(why, sizeof(why), "its schema is version %lld, this program knows %d",
                 (long long)version, SCHEMA_VERSION);
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

/* makes the tables where there are none; the commit proves that the file can be written */
static int claim(struct sqlite_file *file)
{
    char mark[96];
    bool is_new;

    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    if (execute(file, "BEGIN IMMEDIATE", "open") != 0 || check_identity(file, &is_new) != 0 ||
        (is_new && execute(file, schema_sql, "open") != 0) || execute(file, mark, "open") != 0) {
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
 * SQLite's own busy handler sleeps up to 100 ms at a time, while a busy process takes the lock back
 * in less than one; then the others get it seconds later.
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

static int open_database(struct sqlite_file *file)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool is_new;
    int error = make_directories(file->path);

    if (error != 0) {
        return fail(file, SQLITE_CANTOPEN, "make the directory", strerror(-error));
    }
    if (sqlite3_open_v2(file->path, &file->db, flags, NULL) != SQLITE_OK) {
        return fail_in_sqlite(file, "open");
    }
    if (sqlite3_db_readonly(file->db, "main") == 1) {
        return fail(file, SQLITE_READONLY, "open", "the file cannot be written");
    }
    sqlite3_busy_handler(file->db, on_busy, file);
    if (check_identity(file, &is_new) != 0) {
        return -EIO;
    }
    /* memory, since undoing a batch must not depend on a directory for temporary files */
    if (execute(file, "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY", "open") != 0) {
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
    if (claim(file) != 0 || (!was_open && prepare(file) != 0)) {
        if (!was_open && file->db != NULL) {
            sqlite_file_close(file);
        }
        return;
    }
    file->status.ready = true;
    file->status.opens += was_open ? 0 : 1;
}

static uint64_t before(uint64_t now_ms, uint64_t ago_ms)
{
    return now_ms > ago_ms ? now_ms - ago_ms : 0;
}

/* drops some of what is too old in the series; once an hour, over as many commits as it takes */
static int sweep_series(struct sqlite_file *file)
{
    uint64_t now_ms = clock_wall_ms();
    int dropped;

    if (file->swept_hour == now_ms / MS_PER_HOUR) {
        return 0;
    }
    bind_u64(file->statements[SWEEP_DAY], 1, before(now_ms, file->series_days_ms) / MS_PER_DAY);
    bind_u64(file->statements[SWEEP_HOUR], 1, before(now_ms, file->series_hours_ms) / MS_PER_HOUR);
    if (run(file, SWEEP_DAY, "sweep") != 0) {
        return -EIO;
    }
    dropped = sqlite3_changes(file->db);
    if (run(file, SWEEP_HOUR, "sweep") != 0) {
        return -EIO;
    }
    dropped += sqlite3_changes(file->db);
    if (dropped == 0) {
        file->swept_hour = now_ms / MS_PER_HOUR;
    }
    return 0;
}

/* how long a window is, and how it is called in the table */
static uint64_t window_seconds(enum store_window window)
{
    return window == STORE_WINDOW_ATTEMPT ? STORE_WINDOW_ATTEMPT_S : STORE_WINDOW_CLIENT_S;
}

/* tokens that no batch will be compared with any more */
static int sweep_seen(struct sqlite_file *file)
{
    uint64_t now_s = clock_wall_ms() / 1000;

    for (int window = STORE_WINDOW_ATTEMPT; window <= STORE_WINDOW_CLIENT; window++) {
        uint64_t seconds = window_seconds((enum store_window)window);

        bind_u64(file->statements[SWEEP_SEEN], 1, seconds);
        bind_u64(file->statements[SWEEP_SEEN], 2, before(now_s, 2 * seconds));
        if (run(file, SWEEP_SEEN, "sweep") != 0) {
            return -EIO;
        }
    }
    return 0;
}

/* a file that was moved or removed while it is open would take visits to nowhere */
static int check_place(struct sqlite_file *file)
{
    int moved = 0;

    sqlite3_file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? fail(file, SQLITE_IOERR, "begin", "the file was moved or removed") : 0;
}

int sqlite_file_begin(struct sqlite_file *file, bool writes)
{
    if (file->db == NULL) {
        return -EIO;
    }
    file->status.transactions++;
    file->writes = writes;
    if (check_place(file) != 0) {
        return -EIO;
    }
    return run(file, writes ? BEGIN_TO_WRITE : BEGIN_TO_READ, "begin");
}

enum store_outcome sqlite_file_commit(struct sqlite_file *file)
{
    if (file->writes && (sweep_series(file) != 0 || sweep_seen(file) != 0)) {
        return STORE_REFUSED;
    }
    if (run(file, COMMIT, "commit") == 0) {
        file->status.commits += file->writes;
        file->status.ready |= file->writes;
        return STORE_OK;
    }
    /*
     * Without room the log lacks the end of the commit, which is then void. After any other error
     * all of it may have reached the file, and be found there the next time it is opened.
     */
    return file->error_code == SQLITE_BUSY || file->error_code == SQLITE_FULL ? STORE_REFUSED
                                                                              : STORE_UNKNOWN;
}

void sqlite_file_recover(struct sqlite_file *file)
{
    if (file->db == NULL) {
        return;
    }
    if (!sqlite3_get_autocommit(file->db)) {
        sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    }
    /* what passes by itself leaves the file open: locked by others, or no room, but readable */
    if (file->error_code == SQLITE_FULL) {
        file->status.ready = false;
    } else if (file->error_code != SQLITE_BUSY) {
        sqlite_file_close(file);
    }
}

int sqlite_file_begin_batch(struct sqlite_file *file)
{
    return run(file, BATCH_BEGIN, "apply");
}

int sqlite_file_end_batch(struct sqlite_file *file, bool keep)
{
    if (!keep && run(file, BATCH_UNDO, "apply") != 0) {
        return -EIO;
    }
    return run(file, BATCH_END, "apply");
}

static void bind_text(sqlite3_stmt *statement, int index, const char *text, size_t length)
{
    sqlite3_bind_text(statement, index, text, (int)length, SQLITE_STATIC);
}

int sqlite_file_read_total(struct sqlite_file *file, const char *site,
                           const struct store_entry *page, uint64_t *ret_total)
{
    sqlite3_stmt *statement = file->statements[READ_HITS];
    int rc;

    bind_text(statement, 1, site, strlen(site));
    bind_text(statement, 2, page->page, page->page_length);
    rc = sqlite3_step(statement);
    *ret_total = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    return end_step(file, statement, rc, "read");
}

static int add_to_series(struct sqlite_file *file, enum statement which, uint64_t time,
                         sqlite3_int64 page_id, uint64_t hits)
{
    bind_u64(file->statements[which], 1, time);
    sqlite3_bind_int64(file->statements[which], 2, page_id);
    bind_u64(file->statements[which], 3, hits);
    return run(file, which, "apply");
}

int sqlite_file_add(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_entry *entry, uint64_t hits, uint64_t *ret_total)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_HITS];
    sqlite3_int64 page_id = 0;
    int rc;

    if (hits > INT64_MAX) {
        return -ERANGE;
    }
    bind_text(statement, 1, batch->site, strlen(batch->site));
    bind_text(statement, 2, entry->page, entry->page_length);
    bind_u64(statement, 3, hits);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) { /* asking for columns of no row would replace the error */
        page_id = sqlite3_column_int64(statement, 0);
        *ret_total = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    if (end_step(file, statement, rc, "apply") != 0) {
        /* a sum beyond 2^63 becomes a float, which the column does not take */
        return file->error_code == SQLITE_CONSTRAINT ? -ERANGE : -EIO;
    }
    if (add_to_series(file, ADD_TO_DAY, batch->hour / 24, page_id, hits) != 0) {
        return -EIO;
    }
    return add_to_series(file, ADD_TO_HOUR, batch->hour, page_id, hits);
}

int sqlite_file_see(struct sqlite_file *file, const struct store_batch *batch,
                    const struct store_token *token)
{
    sqlite3_stmt *statement = file->statements[ADD_TO_SEEN];

    bind_text(statement, 1, batch->site, strlen(batch->site));
    bind_u64(statement, 2, window_seconds(token->window));
    sqlite3_bind_blob(statement, 3, token->bytes, (int)token->length, SQLITE_STATIC);
    bind_u64(statement, 4, batch->second);
    if (run(file, ADD_TO_SEEN, "see") != 0) {
        return -EIO;
    }
    return sqlite3_changes(file->db) == 0 ? 1 : 0;
}

static size_t answer_size(const struct store_batch *batch)
{
    return batch->entry_count * sizeof(uint64_t) + batch->token_count;
}

static void decode_answer(const struct store_batch *batch, const unsigned char *answer,
                          uint64_t *ret_totals, bool *ret_repeated)
{
    size_t bytes = batch->entry_count * sizeof(*ret_totals);

    memcpy(ret_totals, answer, bytes);
    for (size_t i = 0; i < batch->entry_count; i++) {
        ret_totals[i] = le64toh(ret_totals[i]);
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        ret_repeated[i] = answer[bytes + i] != 0;
    }
}

int sqlite_file_read_ledger(struct sqlite_file *file, const struct store_batch *batch,
                            struct store_position *ret_at, uint64_t *ret_totals, bool *ret_repeated)
{
    sqlite3_stmt *statement = file->statements[READ_LEDGER];
    bool known = false;
    int rc;

    bind_text(statement, 1, batch->site, strlen(batch->site));
    bind_text(statement, 2, batch->epoch, strlen(batch->epoch));
    rc = sqlite3_step(statement);
    *ret_at = (struct store_position){0};
    if (rc == SQLITE_ROW) {
        ret_at->sequence = (uint64_t)sqlite3_column_int64(statement, 0);
        ret_at->visits = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    if (ret_totals != NULL && rc == SQLITE_ROW && ret_at->sequence == batch->sequence &&
        (size_t)sqlite3_column_bytes(statement, 2) == answer_size(batch)) {
        known = true;
        decode_answer(batch, sqlite3_column_blob(statement, 2), ret_totals, ret_repeated);
    }
    return end_step(file, statement, rc, "read the ledger") == 0 ? known : -EIO;
}

int sqlite_file_write_ledger(struct sqlite_file *file, const struct store_batch *batch,
                             const uint64_t *totals, const bool *repeated)
{
    sqlite3_stmt *statement = file->statements[WRITE_LEDGER];
    size_t bytes = batch->entry_count * sizeof(*totals);
    unsigned char *answer = malloc(answer_size(batch));

    if (answer == NULL) {
        abort();
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        uint64_t total = htole64(totals[i]);

        memcpy(answer + i * sizeof(total), &total, sizeof(total));
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        answer[bytes + i] = repeated[i] ? 1 : 0;
    }
    bind_text(statement, 1, batch->site, strlen(batch->site));
    bind_text(statement, 2, batch->epoch, strlen(batch->epoch));
    bind_u64(statement, 3, batch->sequence);
    bind_u64(statement, 4, batch->visits);
    bind_u64(statement, 5, clock_wall_ms());
    sqlite3_bind_blob64(statement, 6, answer, answer_size(batch), free);
    return run(file, WRITE_LEDGER, "write the ledger");
}

int sqlite_file_sweep_ledger(struct sqlite_file *file)
{
    bind_u64(file->statements[SWEEP_LEDGER], 1, before(clock_wall_ms(), file->ledger_ttl_ms));
    return run(file, SWEEP_LEDGER, "sweep the ledger");
}

const struct sqlite_file_status *sqlite_file_status(const struct sqlite_file *file)
{
    return &file->status;
}

struct sqlite_file *sqlite_file_create(const struct sqlite_store_options *options)
{
    struct sqlite_file *file = calloc(1, sizeof(*file));

    if (file == NULL || (file->path = strdup(options->path)) == NULL) {
        abort();
    }
    file->ledger_ttl_ms = options->ledger_ttl_ms;
    file->series_days_ms = options->series_days_ms;
    file->series_hours_ms = options->series_hours_ms;
    return file;
}

void sqlite_file_destroy(struct sqlite_file *file)
{
    if (file == NULL) {
        return;
    }
    free(file->path);
    free(file);
}
