/* SPDX-License-Identifier: MIT */
/* The journal and its disk: how often it writes, when it is full, and how it fails. */
#include "journal_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* --- a disk that fails on command: replaces functions of the C library --- */

static atomic_int syncs;           /* fsync and fdatasync */
static atomic_int writes;          /* pwrite */
static atomic_int fdatasync_error; /* the next one fails */
static atomic_int fsync_error;
static atomic_int ftruncate_error;   /* all fail */
static atomic_int unlink_error;      /* all fail */
static atomic_int write_error;       /* all fail, after … */
static atomic_int write_first_bytes; /* … these were written by a short write */

int fsync(int fd)
{
    int error = atomic_exchange(&fsync_error, 0);

    syncs++;
    errno = error;
    return error != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    int error = atomic_exchange(&fdatasync_error, 0);

    syncs++;
    errno = error;
    return error != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
    errno = ftruncate_error;
    return errno != 0 ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int unlinkat(int fd, const char *name, int flags)
{
    errno = unlink_error;
    return errno != 0 ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    int first_bytes = atomic_exchange(&write_first_bytes, 0);

    writes++;
    if (first_bytes != 0) {
        return syscall(SYS_pwrite64, fd, bytes, (size_t)first_bytes, offset);
    }
    errno = write_error;
    return errno != 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

/* --- how often it writes --- */

static void test_appends_of_one_turn_share_one_sync(void **state)
{
    struct fixture *fixture = *state;
    struct note *notes = calloc(10001, sizeof(*notes));

    assert_non_null(notes);
    open_journal(fixture);
    assert_int_equal(append_and_wait(fixture, &notes[0], 1), 0);
    syncs = 0;
    writes = 0;
    for (uint64_t i = 1; i <= 10000; i++) {
        append(fixture, &notes[i], i + 1);
    }
    run_until(fixture, 10001);
    assert_int_equal(syncs, 1);
    assert_int_equal(writes, 1);
    assert_int_equal(journal_status(fixture->journal)->syncs, 2);
    assert_int_equal(journal_status(fixture->journal)->written, 10001);
    free(notes);
}

/* appends the next record inside the callback of the last one, while the disk is idle */
struct chain {
    struct note note;
    uint64_t left;
};

static void on_chain_written(struct journal_entry *entry, int error)
{
    struct chain *chain = container_of(entry, struct chain, note.entry);
    struct fixture *fixture = chain->note.fixture;
    struct journal_record record;

    assert_int_equal(error, 0);
    journal_entry_done(entry);
    if (--chain->left == 0) {
        if (++fixture->ended == fixture->wanted) {
            loop_stop(fixture->loop);
        }
        return;
    }
    record = make_record(chain->left);
    journal_append(fixture->journal, &record, entry);
    sealed_batch_destroy(record.sealed_batch);
}

static void test_many_owners_share_syncs(void **state)
{
    struct fixture *fixture = *state;
    struct chain chains[100];
    const struct journal_status *status;

    open_journal(fixture);
    for (size_t i = 0; i < 100; i++) {
        append(fixture, &chains[i].note, 1);
        chains[i].note.entry.on_written = on_chain_written;
        chains[i].left = 20;
    }
    run_until(fixture, 100);
    status = journal_status(fixture->journal);
    assert_int_equal(status->written, 2000);
    assert_int_equal(status->syncs, 20); /* 0.01 for each record */
    assert_int_equal(status->records, 0);
    assert_int_equal(status->visits, 0);
}

/* --- no room --- */

static void test_when_full_the_disk_is_not_touched(void **state)
{
    struct fixture *fixture = *state;
    struct note *notes = calloc(2000, sizeof(*notes));
    struct note refused;
    uint64_t count = 0;

    assert_non_null(notes);
    fixture->max_size_bytes = 65536;
    open_journal(fixture);
    while (journal_has_room(fixture->journal)) {
        assert_int_equal(append_and_wait(fixture, &notes[count], count + 1), 0);
        count++;
    }
    log_capture_begin();
    append_record(fixture, &refused, make_long_record(count + 1));
    writes = 0;
    run_until(fixture, fixture->ended + 1);
    assert_int_equal(refused.error, -ENOSPC);
    assert_int_equal(writes, 0);
    assert_non_null(strstr(journal_status(fixture->journal)->error, "full"));
    assert_int_equal(count_in_text(log_capture_end(), "it is full (journal.max_size is 64KiB)"), 1);
    assert_true(journal_status(fixture->journal)->size_bytes <= 65536);
    for (uint64_t i = 0; i < count; i++) {
        journal_entry_done(&notes[i].entry);
    }
    assert_int_equal(append_and_wait(fixture, &notes[0], count + 1), 0);
    assert_true(journal_has_room(fixture->journal));
    assert_string_equal(journal_status(fixture->journal)->error, "");
    free(notes);
}

/* waiting records and those being written count too, so the journal never exceeds max_size */
static void test_a_burst_does_not_pass_the_limit(void **state)
{
    struct fixture *fixture = *state;
    struct note *notes = calloc(2000, sizeof(*notes));
    uint64_t refused = 0;

    assert_non_null(notes);
    fixture->max_size_bytes = 65536;
    open_journal(fixture);
    log_capture_begin();
    for (uint64_t i = 0; i < 2000; i++) {
        append(fixture, &notes[i], i + 1);
    }
    run_until(fixture, 2000);
    log_capture_end();
    for (uint64_t i = 0; i < 2000; i++) {
        refused += notes[i].error == -ENOSPC;
    }
    assert_in_range(refused, 1, 1999);
    assert_int_equal(journal_status(fixture->journal)->written, 2000 - refused);
    assert_true(journal_status(fixture->journal)->size_bytes <= 65536);
    free(notes);
}

static void test_a_raised_limit_makes_room(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    fixture->max_size_bytes = 100;
    open_journal(fixture);
    log_capture_begin();
    assert_int_equal(append_and_wait(fixture, &note, 1), -ENOSPC);
    log_capture_end();
    assert_int_equal(count_files(fixture, false), 0);
    journal_configure(fixture->journal, MIB);
    assert_string_equal(journal_status(fixture->journal)->error, "");
    assert_int_equal(append_and_wait(fixture, &note, 1), 0);
}

/* --- failures --- */

/* the journal has the good records 1 and 2, but not the failed one in between */
static void check_one_and_two(struct fixture *fixture)
{
    close_journal(fixture);
    fixture->left_next = 1;
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 2);
}

static void test_a_short_write_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct note note;
    struct buf before;
    struct buf after;
    char expected[256];

    open_journal(fixture);
    append_and_wait(fixture, &note, 1);
    before = read_file(fixture, FIRST);
    log_capture_begin();
    write_first_bytes = 30;
    write_error = ENOSPC;
    assert_int_equal(append_and_wait(fixture, &note, 99), -ENOSPC);
    assert_int_equal(append_and_wait(fixture, &note, 99), -ENOSPC);
    assert_int_equal(count_in_text(log_capture_end(), "write: no space left on device"), 1);
    after = read_file(fixture, FIRST);
    assert_int_equal(before.length, after.length);
    snprintf(expected, sizeof(expected), "journal %s/" FIRST ": write: no space left on device",
             fixture->directory);
    assert_string_equal(journal_status(fixture->journal)->error, expected);
    write_error = 0;
    log_capture_begin();
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    assert_int_equal(count_in_text(log_capture_end(), "written again"), 1);
    assert_string_equal(journal_status(fixture->journal)->error, "");
    check_one_and_two(fixture);
    buf_finish(&before);
    buf_finish(&after);
}

static void test_a_short_write_that_goes_on_is_none(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    open_journal(fixture);
    append_and_wait(fixture, &note, 1);
    write_first_bytes = 30;
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    check_one_and_two(fixture);
}

static void test_what_was_not_synced_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    open_journal(fixture);
    append_and_wait(fixture, &note, 1);
    log_capture_begin();
    fdatasync_error = EIO;
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    log_capture_end();
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    check_one_and_two(fixture);
}

static void test_nothing_is_written_behind_what_could_not_be_cut(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    open_journal(fixture);
    append_and_wait(fixture, &note, 1);
    log_capture_begin();
    ftruncate_error = EIO;
    fdatasync_error = EIO;
    /*
     * It is still on the disk, and would be replayed after a crash. So it must not be reported as
     * not counted.
     */
    assert_int_equal(append_and_wait(fixture, &note, 99), -ENOTRECOVERABLE);
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO); /* this one never was */
    assert_non_null(strstr(journal_status(fixture->journal)->error, "cutting off a failed write"));
    ftruncate_error = 0;
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    log_capture_end();
    check_one_and_two(fixture);
}

static void test_a_segment_that_cannot_be_made_is_made_later(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    open_journal(fixture);
    log_capture_begin();
    fsync_error = EIO;
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    assert_int_equal(count_files(fixture, false), 0);
    fsync_error = EIO;
    unlink_error = EIO; /* the segment stays */
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    unlink_error = 0;
    assert_int_equal(append_and_wait(fixture, &note, 1), 0);
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    log_capture_end();
    assert_int_equal(count_files(fixture, false), 1);
    check_one_and_two(fixture);
}

/* a short write by the kernel at a limit of the file size */
static void test_a_file_that_cannot_grow(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before;
    struct rlimit limit;
    struct note note;
    struct buf bytes;

    signal(SIGXFSZ, SIG_IGN);
    open_journal(fixture);
    append_and_wait(fixture, &note, 1);
    bytes = read_file(fixture, FIRST);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = bytes.length + 20;
    log_capture_begin();
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(append_and_wait(fixture, &note, 99), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    log_capture_end();
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    check_one_and_two(fixture);
    buf_finish(&bytes);
}

static void test_a_segment_that_cannot_be_removed_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    leave_records(fixture, 1);
    open_journal(fixture);
    log_capture_begin();
    unlink_error = EROFS;
    journal_entry_done(&left_at(fixture, 0)->entry);
    append_and_wait(fixture, &note, 2);
    append_and_wait(fixture, &note, 3);
    assert_int_equal(count_in_text(log_capture_end(), "remove: read-only file system"), 1);
    assert_true(exists(fixture, FIRST));
    assert_int_equal(journal_status(fixture->journal)->segments, 2);
    unlink_error = 0;
    append_and_wait(fixture, &note, 4);
    assert_false(exists(fixture, FIRST));
    assert_int_equal(journal_status(fixture->journal)->segments, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_appends_of_one_turn_share_one_sync),
        TEST(test_many_owners_share_syncs),
        TEST(test_a_segment_that_cannot_be_removed_is_tried_again),
        TEST(test_when_full_the_disk_is_not_touched),
        TEST(test_a_burst_does_not_pass_the_limit),
        TEST(test_a_raised_limit_makes_room),
        TEST(test_a_short_write_leaves_nothing),
        TEST(test_a_short_write_that_goes_on_is_none),
        TEST(test_what_was_not_synced_is_cut),
        TEST(test_nothing_is_written_behind_what_could_not_be_cut),
        TEST(test_a_segment_that_cannot_be_made_is_made_later),
        TEST(test_a_file_that_cannot_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
