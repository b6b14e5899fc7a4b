/* SPDX-License-Identifier: MIT */
/* Files that a SQLite store must not touch, and faults of the file that it has open. */
#include "sqlite_fixture.h"

#include "base/log.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- files that are not ours ---- */

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
    /* uses the file once the foreign table is gone */
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

/* guards: the store counted into a file that had been deleted or replaced */
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
    assert_int_equal(answer.scope, STORE_SCOPE_SERVER);
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

/* applies large batches until one fails; returns its answer and its sequence */
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

/* a limit of the process simulates a full disk: the write to the log fails with EFBIG */
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
    /* the ledger shows whether it was applied */
    assert_in_range(ledger_of(fixture, EPOCH_A), sequence - 1, sequence);
    assert_total(apply_page(fixture, EPOCH_A, sequence, "/", 1), 0, sequence);
    assert_true(total_of(fixture, "default", "/") == sequence);
}

/* mounts a small disk at the database's directory; returns false if mounting is forbidden */
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
    assert_int_equal(answer.scope, STORE_SCOPE_SERVER);
    assert_non_null(strstr(health_of(fixture).last_error, "database or disk is full"));
    assert_false(health_of(fixture).available);
    assert_false(fixture->available);
    /* counted visits can still be read */
    assert_true(total_of(fixture, "default", "/") == sequence - 1);
    assert_true(ledger_of(fixture, EPOCH_A) == sequence - 1);

    assert_int_equal(unlink(ballast), 0);
    wait_for_available(fixture, true);
    answer = apply_page(fixture, EPOCH_A, sequence, "/", 1);
    assert_false(answer.is_duplicate);
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

#define DISK_TEST(test)                                \
    {                                                  \
#test, test, setup_sqlite, teardown_disk, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_SQLITE(test_leaves_a_file_alone_that_is_no_database),
        FOR_SQLITE(test_leaves_a_database_of_others_alone),
        FOR_SQLITE(test_leaves_a_newer_schema_alone),
        FOR_SQLITE(test_does_not_count_in_memory),
        FOR_SQLITE(test_notices_that_the_file_was_moved),
        FOR_SQLITE(test_a_locked_file_refuses_and_stays_available),
        FOR_SQLITE(test_waits_for_a_short_lock),
        {"test_a_failed_commit_is_in_doubt", test_a_failed_commit_is_in_doubt, setup_sqlite,
         teardown_limit, NULL},
        DISK_TEST(test_a_full_disk_refuses_until_there_is_room),
        DISK_TEST(test_a_read_only_file_is_refused),
    };

    log_set_level(LOG_LEVEL_ERROR); /* these failures are expected */
    return cmocka_run_group_tests_name("sqlite_file", tests, NULL, NULL);
}
