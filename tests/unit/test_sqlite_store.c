/* SPDX-License-Identifier: MIT */
/*
 * What the store contract's tests in test_store.c do not ask of SQLite: the file, what is in it,
 * and what may happen to it.
 */
#include "store_fixture.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define APPLICATION_ID "1986227828"

/* ---- a second look at the file ---- */

static sqlite3 *open_file(struct fixture *fixture)
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
static void change(struct fixture *fixture, const char *sql)
{
    sqlite3 *db = open_file(fixture);

    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* the one number that the query gives */
static int64_t ask(struct fixture *fixture, const char *sql)
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

static struct store_health health_of(struct fixture *fixture)
{
    struct store_health health;

    store_health(fixture->store, &health);
    return health;
}

/* waits until the store has tried to open the file and failed; the reason is in its health */
static struct store_health wait_for_failure(struct fixture *fixture)
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

/* ---- what is in the file ---- */

static void test_the_file_is_marked_as_ours(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_true(ask(fixture, "PRAGMA application_id") == atoi(APPLICATION_ID));
    assert_true(ask(fixture, "PRAGMA user_version") == 2);
    close_store(fixture);
    /* a normal close leaves one file */
    strcat(fixture->path, "-wal");
    assert_int_equal(access(fixture->path, F_OK), -1);
}

static void test_keeps_days_and_hours(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t today = clock_wall_ms() / 86400000;
    struct store_entry entries[] = {entry_of("/a", 2), entry_of("/b", 3)};
    struct store_batch batch = batch_of(EPOCH_A, 1, 5, entries, 2);

    batch.hour = today * 24;
    batch.day = today;
    apply_batch(fixture, &batch);
    apply_batch(fixture, &batch); /* a duplicate must not show in the series */
    batch = batch_of(EPOCH_A, 2, 5, entries, 2);
    batch.hour = today * 24 + 1;
    batch.day = today;
    apply_batch(fixture, &batch);
    batch = batch_of(EPOCH_A, 3, 5, entries, 2);
    batch.hour = today * 24 - 1;
    batch.day = today - 1;
    apply_batch(fixture, &batch);
    assert_true(ask(fixture, "SELECT count(*) FROM day") == 6); /* of two pages and the site */
    assert_true(ask(fixture, "SELECT count(*) FROM hour") == 9);
    assert_true(ask(fixture, "SELECT max(day) FROM day") == (int64_t)today);
    assert_true(ask(fixture, "SELECT hits FROM day JOIN hits ON page_id = id WHERE page = '/b'"
                             " ORDER BY day DESC LIMIT 1") == 6);
    assert_true(ask(fixture, "SELECT hits FROM day JOIN hits ON page_id = id WHERE page = '/b'"
                             " ORDER BY day LIMIT 1") == 3);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour JOIN hits ON page_id = id"
                             " WHERE page <> ''") == 15);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour JOIN hits ON page_id = id"
                             " WHERE page = ''") == 15);
    assert_true(ask(fixture, "SELECT max(hour) FROM hour") == (int64_t)today * 24 + 1);
}

static void test_drops_what_is_too_old(void **state)
{
    struct fixture *fixture = open_fixture(state);
    uint64_t hour = clock_wall_ms() / 3600000;

    close_store(fixture);
    change(fixture, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
                    " INSERT INTO hour SELECT 1000 + i, i, 1 FROM n");
    change(fixture, "INSERT INTO day VALUES (41, 1, 1), (42, 1, 1), (50000, 1, 1)");
    change(fixture, "INSERT INTO hour VALUES (1200000, 1, 1)");
    open_store(fixture);
    for (uint64_t sequence = 1; sequence <= 4; sequence++) {
        struct store_entry entry = entry_of("/", 1);
        struct store_batch batch = batch_of(EPOCH_A, sequence, 1, &entry, 1);

        batch.hour = hour;
        apply_batch(fixture, &batch);
        if (sequence == 1) { /* in portions */
            assert_true(ask(fixture, "SELECT count(*) FROM hour WHERE hour < 5000") == 1500);
        }
    }
    assert_true(ask(fixture, "SELECT count(*) FROM hour") == 3); /* of the page and the site */
    assert_true(ask(fixture, "SELECT count(*) FROM day") == 3);
}

static void test_a_new_epoch_sweeps_unused_ones(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    uint64_t applied_at_ms;

    fixture->ledger_ttl_ms = 1;
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    applied_at_ms = clock_wall_ms();
    while (clock_wall_ms() < applied_at_ms + 3) {
        continue;
    }
    apply_page(fixture, EPOCH_B, 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 0);
    assert_true(ledger_of(fixture, EPOCH_B) == 1);
    assert_true(total_of(fixture, "default", "/") == 2);
}

/* ---- batches that cannot be applied ---- */

static void test_a_bad_batch_spoils_no_other(void **state)
{
    struct fixture *fixture = open_fixture(state);
    static const char *const sites[] = {"one", "two", "three", "four"};
    struct store_entry good[] = {entry_of("/a", 1), entry_of("/full", 1)};
    struct store_batch batches[4];
    struct answer answers[4];
    uint64_t commands;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    for (int i = 0; i < 4; i++) {
        batches[i] = batch_of(EPOCH_A, 1, 2, good, 2);
        batches[i].site = sites[i];
        answers[i] = (struct answer){.count = 2};
    }
    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('two', '/full', 9223372036854775807)");
    commands = health_of(fixture).commands;
    batches[2].sequence = 7; /* a gap */
    batches[2].follows = 6;
    answers[3].fixture = fixture;
    for (int i = 0; i < 4; i++) {
        store_apply(fixture->store, &batches[i], on_applied, &answers[i]);
    }
    run_loop(fixture);
    assert_true(health_of(fixture).commands == commands + 1);
    assert_total(answers[0], 1, 1);
    assert_int_equal(answers[1].outcome, STORE_REFUSED);
    assert_false(answers[1].gap);
    assert_int_equal(answers[2].outcome, STORE_REFUSED);
    assert_true(answers[2].gap);
    assert_total(answers[3], 1, 1);
    assert_true(total_of(fixture, "two", "/a") == 0);
    assert_true(ask(fixture, "SELECT count(*) FROM ledger WHERE site = 'two'") == 0);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour") == 2 * 5);
    assert_true(health_of(fixture).available);
}

static void test_hits_beyond_the_numbers_are_refused(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_int_equal(apply_page(fixture, EPOCH_A, 1, "/", UINT64_MAX).outcome, STORE_REFUSED);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", INT64_MAX), 0, INT64_MAX);
    assert_int_equal(apply_page(fixture, EPOCH_A, 2, "/", 1).outcome, STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/") == INT64_MAX);
}

static void on_edited(void *data, const struct store_edited *edited)
{
    keep_answer(data, edited->outcome, NULL, edited->reason);
}

static void test_a_rename_beyond_the_numbers_changes_nothing(void **state)
{
    struct fixture *fixture = open_fixture(state);
    const struct store_edit edit = {.kind = STORE_RENAME,
                                    .site = "default",
                                    .page = "/",
                                    .page_length = 1,
                                    .to = "/full",
                                    .to_length = 5};
    struct answer answer = {.fixture = fixture};

    apply_page(fixture, EPOCH_A, 1, "/", 2);
    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('default', '/full', 9223372036854775806)");
    store_edit(fixture->store, &edit, on_edited, &answer);
    run_loop(fixture);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(total_of(fixture, "default", "/") == 2);
    assert_true(total_of(fixture, "default", "/full") == INT64_MAX - 1);
    assert_true(health_of(fixture).available);
}

/* ---- tokens ---- */

static struct store_batch batch_with_token(uint64_t sequence, const struct store_entry *entry,
                                           const struct store_token *token)
{
    struct store_batch batch = batch_of(EPOCH_A, sequence, entry->hits, entry, 1);

    batch.tokens = token;
    batch.token_count = 1;
    batch.second = clock_wall_ms() / 1000;
    return batch;
}

static void test_repetitions_are_not_in_the_series(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 2);
    struct store_entry other = entry_of("/other", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(1, &entry, &token);

    assert_total(apply_batch(fixture, &batch), 0, 2);
    batch = batch_with_token(2, &entry, &token);
    assert_total(apply_batch(fixture, &batch), 0, 3);
    batch = batch_with_token(3, &other, &token);
    assert_total(apply_batch(fixture, &batch), 0, 0);
    assert_true(ask(fixture, "SELECT sum(hits) FROM hour") == 2 * 3);
    assert_true(ask(fixture, "SELECT sum(hits) FROM day") == 2 * 3);
    assert_true(ask(fixture, "SELECT count(*) FROM hits WHERE page <> ''") ==
                1); /* no page without visits */
}

/* guards against tokens of visits that were not counted: these could never be counted then */
static void test_a_batch_that_is_refused_remembers_no_token(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/full", 1);
    struct store_entry good = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(1, &entry, &token);
    struct answer answer;

    change(fixture,
           "INSERT INTO hits (site, page, total) VALUES ('default', '/full', 9223372036854775807)");
    assert_int_equal(apply_batch(fixture, &batch).outcome, STORE_REFUSED);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 0);
    batch = batch_with_token(1, &good, &token);
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_false(answer.repeated[0]);
}

static void test_drops_tokens_that_are_too_old(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char sql[256];

    close_store(fixture);
    snprintf(
        sql, sizeof(sql),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)"
        " INSERT INTO seen SELECT 'old', 15 + 3585 * (i %% 2), CAST(i AS BLOB), 1, %llu FROM n",
        (unsigned long long)clock_wall_ms() / 1000 - 5);
    change(fixture, sql);
    snprintf(sql, sizeof(sql),
             "INSERT INTO seen VALUES ('new', 15, x'61', 1, %llu), ('new', 3600, x'61', 1, %llu)",
             (unsigned long long)clock_wall_ms() / 1000 + 5,
             (unsigned long long)clock_wall_ms() / 1000 + 5);
    change(fixture, sql);
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 502); /* in portions of 4000 */
    apply_page(fixture, EPOCH_A, 2, "/", 1);
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 2);
    assert_true(ask(fixture, "SELECT count(*) FROM seen WHERE site = 'new'") == 2);
}

/* as long after the store saw it, however old its batch is: another one may wait in a journal */
static void test_keeps_tokens_for_journals(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_ATTEMPT};
    struct store_batch batch = batch_with_token(1, &entry, &token);
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);

    close_store(fixture);
    fixture->keep_tokens_ms = 600000;
    open_store(fixture);
    batch.second -= 86400;
    assert_false(apply_batch(fixture, &batch).repeated[0]);
    close_store(fixture);
    open_store(fixture);
    apply_page(fixture, EPOCH_B, 1, "/", 1); /* it sweeps, as the first one in a second does */
    assert_in_range(ask(fixture, "SELECT until FROM seen") - now_s, 645, 647);
    batch.epoch = EPOCH_B;
    batch.sequence = 2;
    batch.follows = 1;
    assert_true(apply_batch(fixture, &batch).repeated[0]);
}

/* a file of the version before is brought up to date, with its tokens */
static void test_upgrades_a_file(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_with_token(2, &entry, &token);
    char sql[512];

    apply_page(fixture, EPOCH_A, 1, "/", 7);
    close_store(fixture);
    snprintf(sql, sizeof(sql),
             "DROP TABLE seen;"
             " CREATE TABLE seen (site TEXT NOT NULL, window INTEGER NOT NULL, token BLOB NOT NULL,"
             "  at INTEGER NOT NULL, PRIMARY KEY (site, window, token)) STRICT, WITHOUT ROWID;"
             " CREATE INDEX seen_at ON seen (window, at);"
             " INSERT INTO seen VALUES ('default', 3600, CAST('id' AS BLOB), %llu);"
             " PRAGMA user_version = 1",
             (unsigned long long)batch.second);
    change(fixture, sql);
    open_store(fixture);
    assert_true(ask(fixture, "PRAGMA user_version") == 2);
    assert_true(ask(fixture, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'seen%'") == 2);
    assert_true(apply_batch(fixture, &batch).repeated[0]);
    assert_true(total_of(fixture, "default", "/") == 7);
}

/* ---- calls made while the store ends ---- */

/* sends its batch once more when it is refused, as it may */
struct resend {
    struct store *store;
    struct store_batch batch;
    int calls;
    int answers;
};

static void on_applied_resend(void *data, const struct store_applied *applied)
{
    struct resend *resend = data;

    resend->answers++;
    if (applied->outcome == STORE_REFUSED && resend->calls < 3) {
        resend->calls++;
        store_apply(resend->store, &resend->batch, on_applied_resend, resend);
    }
}

/* guards against calls that are lost, or worse, answered as applied */
static void test_destroy_answers_calls_made_meanwhile(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct resend resend = {.calls = 1};

    fixture->backend->take_away(fixture);
    create_store(fixture);
    resend.store = fixture->store;
    resend.batch = batch_of(EPOCH_A, 1, 1, &entry, 1);
    store_apply(fixture->store, &resend.batch, on_applied_resend, &resend);
    close_store(fixture);
    assert_int_equal(resend.calls, 3);
    assert_int_equal(resend.answers, 3);
    fixture->backend->bring_back(fixture);
}

/* ---- files that are not for us ---- */

static void test_leaves_a_file_alone_that_is_no_database(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    static const char text[] = "Dear diary, this is not a database at all, it is a text of more "
                               "than a hundred bytes, which is the length of SQLite's header.";
    char after[sizeof(text) + 1] = "";
    FILE *file;

    sqlite3_close(open_file(fixture)); /* makes the directory */
    file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    create_store(fixture);
    assert_non_null(strstr(wait_for_failure(fixture).last_error, "file is not a database"));
    close_store(fixture);
    file = fopen(fixture->path, "r");
    assert_int_equal(fread(after, 1, sizeof(after) - 1, file), sizeof(text) - 1);
    fclose(file);
    assert_string_equal(after, text);
}

static void test_leaves_a_database_of_others_alone(void **state)
{
    struct fixture *fixture = bare_fixture(state);

    change(fixture, "CREATE TABLE hits (mine)");
    create_store(fixture);
    assert_non_null(strstr(wait_for_failure(fixture).last_error, "belongs to another program"));
    assert_true(ask(fixture, "SELECT count(*) FROM sqlite_master") == 1);
    assert_true(ask(fixture, "SELECT count(*) FROM pragma_table_info('hits')") == 1);
    assert_true(ask(fixture, "PRAGMA user_version") == 0);
    /* and takes it over when it is gone */
    change(fixture, "DROP TABLE hits");
    wait_for_available(fixture, true);
}

static void test_leaves_a_newer_schema_alone(void **state)
{
    struct fixture *fixture = open_fixture(state);

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    close_store(fixture);
    change(fixture, "PRAGMA user_version = 99");
    create_store(fixture);
    assert_string_equal(wait_for_failure(fixture).last_error,
                        "open: its schema is version 99, this program knows 2");
    assert_true(ask(fixture, "PRAGMA user_version") == 99);
}

static void test_does_not_count_in_memory(void **state)
{
    struct fixture *fixture = bare_fixture(state);

    strcpy(fixture->path, ":memory:");
    create_store(fixture);
    assert_non_null(strstr(wait_for_failure(fixture).last_error, "write-ahead log"));
}

/* ---- what may happen to an open file ---- */

/* guards against counting into a file that nobody will ever see again */
static void test_notices_that_the_file_was_moved(void **state)
{
    struct fixture *fixture = open_fixture(state);
    char moved[128];
    struct answer answer;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    snprintf(moved, sizeof(moved), "%s.moved", fixture->path);
    assert_int_equal(rename(fixture->path, moved), 0);
    answer = apply_page(fixture, EPOCH_A, 2, "/", 1);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_non_null(strstr(answer.reason, "moved or removed"));
    wait_for_available(fixture, true);
    answer = apply_page(fixture, EPOCH_A, 2, "/", 1);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_true(answer.gap);
    assert_true(answer.at.sequence == 0);
}

static void test_a_locked_file_refuses_and_stays_available(void **state)
{
    struct fixture *fixture = open_fixture(state);
    sqlite3 *db = open_file(fixture);
    struct answer answer;

    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    answer = apply_page(fixture, EPOCH_A, 1, "/", 1);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_string_equal(answer.reason, "begin: database is locked");
    assert_true(health_of(fixture).available);
    assert_true(total_of(fixture, "default", "/") == 0);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", 1), 0, 1);
    sqlite3_close(db);
}

struct release {
    struct loop_timer timer;
    sqlite3 *db;
};

static void on_release(struct loop_timer *timer)
{
    struct release *release = container_of(timer, struct release, timer);

    assert_int_equal(sqlite3_exec(release->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
}

static void test_waits_for_a_short_lock(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct release release = {.db = open_file(fixture)};

    assert_int_equal(sqlite3_exec(release.db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    loop_timer_init(&release.timer, on_release);
    loop_timer_start(fixture->loop, &release.timer, 50);
    assert_total(apply_page(fixture, EPOCH_A, 1, "/", 1), 0, 1);
    sqlite3_close(release.db);
}

/* applies large batches until one is not; returns its answer, and its sequence */
static struct answer fill_up(struct fixture *fixture, uint64_t *ret_sequence)
{
    static char names[PAGES_MAX][STORE_PAGE_MAX + 1];
    struct store_entry entries[PAGES_MAX];
    struct answer answer;
    uint64_t sequence = 0;

    do {
        sequence++;
        assert_true(sequence < 100);
        for (int i = 0; i < PAGES_MAX; i++) {
            snprintf(names[i], sizeof(names[i]), "/%0400d/%d", i, (int)sequence);
            entries[i] = entry_of(names[i], 1);
        }
        entries[0] = entry_of("/", 1);
        answer = apply_entries(fixture, EPOCH_A, sequence, entries, PAGES_MAX);
    } while (answer.outcome == STORE_OK);
    *ret_sequence = sequence;
    return answer;
}

/* a limit of the process stands for the disk that fails: the write of the log ends in EFBIG */
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int teardown_limit(void **state)
{
    limit_file_size(RLIM_INFINITY);
    return teardown(state);
}

static void test_a_failed_commit_is_in_doubt(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct answer answer;
    uint64_t sequence;

    limit_file_size(1 << 20);
    answer = fill_up(fixture, &sequence);
    assert_int_equal(answer.outcome, STORE_UNKNOWN);
    assert_non_null(strstr(answer.reason, "commit: disk I/O error ("));
    assert_false(fixture->available);
    limit_file_size(RLIM_INFINITY);
    wait_for_available(fixture, true);
    assert_true(health_of(fixture).connects == 2);
    /* the ledger says what became of it */
    assert_in_range(ledger_of(fixture, EPOCH_A), sequence - 1, sequence);
    assert_total(apply_page(fixture, EPOCH_A, sequence, "/", 1), 0, sequence);
    assert_true(total_of(fixture, "default", "/") == sequence);
}

/* a small disk of its own at the database's directory; false when we may not mount */
static bool mount_disk(struct fixture *fixture, unsigned long flags, const char *options)
{
    char directory[96];

    snprintf(directory, sizeof(directory), "%s/data", fixture->directory);
    mkdir(directory, 0700);
    if (mount("tmpfs", directory, "tmpfs", flags, options) != 0) {
        print_message("cannot mount a tmpfs: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void unmount_disk(struct fixture *fixture)
{
    char directory[96];

    snprintf(directory, sizeof(directory), "%s/data", fixture->directory);
    umount2(directory, MNT_DETACH);
}

static int teardown_disk(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->loop != NULL) {
        loop_timer_stop(&fixture->patience);
        close_store(fixture);
    }
    unmount_disk(fixture);
    return teardown(state);
}

static void test_a_full_disk_refuses_until_there_is_room(void **state)
{
    struct fixture *fixture = bare_fixture(state);
    char ballast[128];
    struct answer answer;
    uint64_t sequence;
    int fd;

    if (!mount_disk(fixture, 0, "size=3m")) {
        skip();
    }
    snprintf(ballast, sizeof(ballast), "%s/data/ballast", fixture->directory);
    fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 2 << 20), 0);
    close(fd);
    open_store(fixture);
    answer = fill_up(fixture, &sequence);
    assert_int_equal(answer.outcome, STORE_REFUSED);
    assert_false(answer.gap);
    assert_non_null(strstr(answer.reason, "database or disk is full"));
    assert_non_null(strstr(health_of(fixture).last_error, "database or disk is full"));
    assert_false(health_of(fixture).available);
    assert_false(fixture->available);
    /* what was counted can still be read */
    assert_true(total_of(fixture, "default", "/") == sequence - 1);
    assert_true(ledger_of(fixture, EPOCH_A) == sequence - 1);

    assert_int_equal(unlink(ballast), 0);
    wait_for_available(fixture, true);
    answer = apply_page(fixture, EPOCH_A, sequence, "/", 1);
    assert_false(answer.duplicate);
    assert_total(answer, 0, sequence);
}

static void test_a_read_only_file_is_refused(void **state)
{
    struct fixture *fixture = bare_fixture(state);

    if (!mount_disk(fixture, 0, "size=3m")) {
        skip();
    }
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    close_store(fixture);
    assert_true(mount_disk(fixture, MS_REMOUNT | MS_RDONLY, "size=3m"));
    create_store(fixture);
    assert_string_equal(wait_for_failure(fixture).last_error, "open: the file cannot be written");
    assert_true(mount_disk(fixture, MS_REMOUNT, "size=3m"));
    wait_for_available(fixture, true);
    assert_total(apply_page(fixture, EPOCH_A, 2, "/", 1), 0, 2);
}

#define TEST(test)                                \
    {                                             \
#test, test, setup_sqlite, teardown, NULL \
    }
#define DISK_TEST(test)                                \
    {                                                  \
#test, test, setup_sqlite, teardown_disk, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_file_is_marked_as_ours),
        TEST(test_keeps_days_and_hours),
        TEST(test_drops_what_is_too_old),
        TEST(test_a_new_epoch_sweeps_unused_ones),
        TEST(test_a_bad_batch_spoils_no_other),
        TEST(test_hits_beyond_the_numbers_are_refused),
        TEST(test_a_rename_beyond_the_numbers_changes_nothing),
        TEST(test_repetitions_are_not_in_the_series),
        TEST(test_a_batch_that_is_refused_remembers_no_token),
        TEST(test_drops_tokens_that_are_too_old),
        TEST(test_keeps_tokens_for_journals),
        TEST(test_upgrades_a_file),
        TEST(test_destroy_answers_calls_made_meanwhile),
        TEST(test_leaves_a_file_alone_that_is_no_database),
        TEST(test_leaves_a_database_of_others_alone),
        TEST(test_leaves_a_newer_schema_alone),
        TEST(test_does_not_count_in_memory),
        TEST(test_notices_that_the_file_was_moved),
        TEST(test_a_locked_file_refuses_and_stays_available),
        TEST(test_waits_for_a_short_lock),
        {"test_a_failed_commit_is_in_doubt", test_a_failed_commit_is_in_doubt, setup_sqlite,
         teardown_limit, NULL},
        DISK_TEST(test_a_full_disk_refuses_until_there_is_room),
        DISK_TEST(test_a_read_only_file_is_refused),
    };

    log_set_level(LOG_LEVEL_ERROR); /* the failures here are meant */
    return cmocka_run_group_tests_name("sqlite_store", tests, NULL, NULL);
}
