/* SPDX-License-Identifier: MIT */
/* store_backup(): a copy of the SQLite store while it is in use */
#include "sqlite_fixture.h"

#include <dirent.h>

/* a backup and its result */
struct wanted {
    struct fixture *fixture;
    int calls;
    bool is_awaited;
    enum store_outcome outcome;
    struct store_copy *copy;
    char reason[256];
    size_t length; /* of the piece that was read */
    char *to;      /* where on_piece() puts it */
};

static void on_backup(void *data, const struct store_backup *backup)
{
    struct wanted *wanted = data;

    wanted->calls++;
    wanted->outcome = backup->outcome;
    wanted->copy = backup->copy;
    if (backup->reason != NULL) {
        snprintf(wanted->reason, sizeof(wanted->reason), "%s", backup->reason);
    }
    if (wanted->is_awaited) {
        loop_stop(wanted->fixture->loop);
    }
}

static void on_piece(void *data, const char *bytes, size_t length)
{
    struct wanted *wanted = data;

    assert_non_null(bytes);
    memcpy(wanted->to, bytes, length);
    wanted->length = length;
    loop_stop(wanted->fixture->loop);
}

static void await(struct wanted *wanted)
{
    wanted->is_awaited = true;
    if (wanted->calls == 0) {
        run_loop(wanted->fixture);
    }
    assert_int_equal(wanted->calls, 1);
}

/* reads all of a copy into a file, and ends it */
static void save(struct wanted *wanted, const char *path)
{
    uint64_t size = wanted->copy->bytes;
    char *bytes = malloc(size + 65536);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (uint64_t at = 0; at < size; at += wanted->length) {
        wanted->to = bytes + at;
        wanted->copy->read(wanted->copy, at, on_piece, wanted);
        run_loop(wanted->fixture);
    }
    assert_int_equal(fwrite(bytes, size, 1, file), 1);
    fclose(file);
    free(bytes);
    wanted->copy->destroy(wanted->copy);
}

/* counts the files in the database's directory */
static int count_files(struct fixture *fixture)
{
    char path[128];
    DIR *directory;
    int count = 0;

    snprintf(path, sizeof(path), "%s/data", fixture->directory);
    directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count - 2;
}

/* opens the store again, on the copy */
static void open_copy(struct fixture *fixture, struct wanted *wanted)
{
    snprintf(fixture->path, sizeof(fixture->path), "%s/data/copy.db", fixture->directory);
    save(wanted, fixture->path);
    close_store(fixture);
    open_store(fixture);
}

/* a store that is large enough for some hundred steps of a backup */
static struct fixture *open_large(void **state)
{
    struct fixture *fixture = open_fixture(state);

    change(fixture,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
           " INSERT INTO hits (site, page, total)"
           " SELECT 'large', printf('/%0500d', i), 1 FROM n");
    return fixture;
}

/* a commit during a backup does not restart the backup, and is not in it */
static void test_is_what_the_store_was(void **state)
{
    struct fixture *fixture = open_large(state);
    struct wanted wanted = {.fixture = fixture};
    uint64_t sequence = 5;

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    apply_page(fixture, EPOCH_A, 2, "/", 3);
    store_backup(fixture->store, on_backup, &wanted);
    assert_int_equal(wanted.calls, 0);
    apply_page(fixture, EPOCH_A, 3, "/", 5);
    apply_page(fixture, EPOCH_A, 4, "/", 7);
    change(fixture, "UPDATE hits SET total = 9 WHERE site = 'large'"); /* another process */
    while (wanted.calls == 0) {
        apply_page(fixture, EPOCH_A, sequence++, "/", 1);
    }
    assert_int_equal(wanted.outcome, STORE_OK);
    assert_true(sequence > 6);
    assert_int_equal(count_files(fixture), 3); /* the database, its log and index */
    open_copy(fixture, &wanted);
    assert_true(total_of(fixture, "default", "/") == 4);
    assert_true(ledger_of(fixture, EPOCH_A) == 2);
    assert_true(ask(fixture, "SELECT sum(total) FROM hits WHERE site = 'large'") == 100000);
    assert_true(ask(fixture, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
}

static void test_one_at_a_time(void **state)
{
    struct fixture *fixture = open_large(state);
    struct wanted first = {.fixture = fixture};
    struct wanted second = {.fixture = fixture};
    struct wanted third = {.fixture = fixture};

    store_backup(fixture->store, on_backup, &first);
    store_backup(fixture->store, on_backup, &second);
    assert_int_equal(second.calls, 0);
    await(&second);
    assert_int_equal(second.outcome, STORE_REFUSED);
    assert_non_null(strstr(second.reason, "another one is being made"));
    await(&first);
    assert_int_equal(first.outcome, STORE_OK);
    store_backup(fixture->store, on_backup, &third);
    await(&third);
    assert_int_equal(third.outcome, STORE_OK);
    first.copy->destroy(first.copy);
    third.copy->destroy(third.copy);
}

static void test_one_that_nobody_waits_for_makes_room(void **state)
{
    struct fixture *fixture = open_large(state);
    struct wanted first = {.fixture = fixture};
    struct wanted second = {.fixture = fixture};
    struct wanted third = {.fixture = fixture};

    store_backup(fixture->store, on_backup, &first);
    store_cancel_backup(fixture->store, &second);
    store_backup(fixture->store, on_backup, &second);
    store_cancel_backup(fixture->store, &second);
    await(&second);
    assert_int_equal(first.calls, 0);
    assert_int_equal(second.outcome, STORE_REFUSED);
    store_cancel_backup(fixture->store, &first);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.outcome, STORE_REFUSED);
    store_backup(fixture->store, on_backup, &third);
    await(&third);
    assert_int_equal(third.outcome, STORE_OK);
    assert_int_equal(first.calls, 1);
    third.copy->destroy(third.copy);
    store_cancel_backup(fixture->store, &third);
}

static void test_ends_with_the_store(void **state)
{
    struct fixture *fixture = open_large(state);
    struct wanted wanted = {.fixture = fixture};

    store_backup(fixture->store, on_backup, &wanted);
    apply_page(fixture, EPOCH_A, 1, "/", 4);
    close_store(fixture);
    assert_int_equal(wanted.calls, 1);
    assert_int_equal(wanted.outcome, STORE_REFUSED);
    open_store(fixture);
    assert_int_equal(count_files(fixture), 3);
}

static void test_a_copy_may_end_while_it_is_read(void **state)
{
    struct fixture *fixture = open_large(state);
    struct wanted wanted = {.fixture = fixture};

    store_backup(fixture->store, on_backup, &wanted);
    await(&wanted);
    wanted.to = NULL;
    wanted.copy->read(wanted.copy, 0, on_piece, &wanted);
    wanted.copy->destroy(wanted.copy);
    apply_page(fixture, EPOCH_A, 1, "/", 4);
    assert_int_equal(wanted.length, 0);
}

static void test_a_database_that_is_gone(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct wanted wanted = {.fixture = fixture};

    assert_int_equal(unlink(fixture->path), 0);
    store_backup(fixture->store, on_backup, &wanted);
    await(&wanted);
    assert_int_equal(wanted.outcome, STORE_REFUSED);
    assert_non_null(strstr(wanted.reason, "backup: open: unable to open database file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_SQLITE(test_is_what_the_store_was),

        FOR_SQLITE(test_one_at_a_time),
        FOR_SQLITE(test_one_that_nobody_waits_for_makes_room),
        FOR_SQLITE(test_ends_with_the_store),
        FOR_SQLITE(test_a_copy_may_end_while_it_is_read),
        FOR_SQLITE(test_a_database_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
