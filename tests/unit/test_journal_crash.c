/* SPDX-License-Identifier: MIT */
/* What a crash leaves of a journal, and how the same or another process opens it again. */
#include "journal_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static unsigned synced_files; /* calls of fsync(2) on files, not directories */

int fsync(int fd)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        synced_files++;
    }
    return (int)syscall(SYS_fsync, fd);
}

/*
 * Guards: a killed process may have written bytes that are not on the disk yet. They must be synced
 * before newer segments are written. Otherwise a crash of the machine could tear a segment that is
 * not the last one, and such a journal is refused.
 */
static void test_what_was_left_is_synced_before_more_is_written(void **state)
{
    struct fixture *fixture = *state;

    leave_records(fixture, 3);
    synced_files = 0;
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 3);
    assert_int_equal(synced_files, 1);
}

/*
 * a disk that fails while a segment is created, and again while it is removed, leaves a part of a
 * header
 */
static void test_a_segment_without_a_header_is_removed_wherever_it_is(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {{"", 0}, {"VCJ", 3}, {"VCJO\0\0\0\0\0\0\0\0\0\0\0\0", 16}, {"\0\0\0\0", 4}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf good;

        leave_records(fixture, 1);
        good = read_file(fixture, FIRST);
        count_files(fixture, true);
        write_file(fixture, FIRST, rows[i].bytes, rows[i].length);
        write_file(fixture, "00000002.journal", good.bytes, good.length);
        buf_finish(&good);
        open_journal(fixture);
        assert_int_equal(count_left(fixture), 1);
        assert_false(exists(fixture, FIRST));
        close_journal(fixture);
        count_files(fixture, true);
    }
}

/* a header that no crash can leave is damage */
static void test_another_header_is_refused(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, FIRST, "VCJOx", 5);
    assert_false(try_open(fixture));
    assert_non_null(strstr(fixture->errors.bytes, FIRST));
}

/* --- other processes --- */

static void write_byte(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void test_a_second_process_is_refused(void **state)
{
    struct fixture *fixture = *state;
    int ready[2];
    pid_t child;
    char byte;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        start_loop(fixture);
        open_journal(fixture);
        write_byte(ready[1]);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(try_open(fixture));
    assert_non_null(strstr(fixture->errors.bytes, fixture->directory));
    assert_non_null(strstr(fixture->errors.bytes, "another process has it"));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    open_journal(fixture);
    close(ready[0]);
    close(ready[1]);
}

/* in the child: appends forever and reports the sequence of each written record */
static int report_fd;

static void on_reported(struct journal_entry *entry, int error)
{
    struct note *note = container_of(entry, struct note, entry);
    struct fixture *fixture = note->fixture;
    struct journal_record record;

    if (error != 0 || write(report_fd, &note->sequence, 8) != 8) {
        _exit(1);
    }
    note->sequence += 8;
    record = make_record(note->sequence);
    journal_append(fixture->journal, &record, entry);
    sealed_batch_destroy(record.sealed_batch);
}

static void append_for_ever(struct fixture *fixture, uint64_t first)
{
    struct note notes[8];

    start_loop(fixture);
    open_journal(fixture);
    for (uint64_t i = 0; i < 8; i++) {
        append(fixture, &notes[i], first + i);
        notes[i].entry.on_written = on_reported;
    }
    loop_run(fixture->loop);
}

/* kills a child after it has reported `count` sequences; marks these in `is_reported` */
static void kill_writer(struct fixture *fixture, uint64_t first, int count, bool *is_reported)
{
    int reports[2];
    uint64_t sequence;
    pid_t child;

    assert_int_equal(pipe(reports), 0);
    child = fork();
    if (child == 0) {
        close(reports[0]);
        report_fd = reports[1];
        append_for_ever(fixture, first);
        _exit(1);
    }
    close(reports[1]);
    while (read(reports[0], &sequence, 8) == 8) {
        assert_in_range(sequence, first, first + 99998);
        is_reported[sequence] = true;
        if (--count == 0) {
            kill(child, SIGKILL);
        }
    }
    waitpid(child, NULL, 0);
    assert_true(count <= 0);
    close(reports[0]);
}

static void test_what_was_reported_survives_kill_9(void **state)
{
    enum { ROUNDS = 20 };
    struct fixture *fixture = *state;
    /* by sequence, which begins with 1 as in an epoch */
    bool *is_reported = calloc(ROUNDS * 100000, sizeof(bool));
    bool *is_left = calloc(ROUNDS * 100000, sizeof(bool));

    assert_non_null(is_reported);
    assert_non_null(is_left);
    stop_loop(fixture);
    for (int round = 0; round < ROUNDS; round++) {
        kill_writer(fixture, (uint64_t)round * 100000 + 1, 1 + round * 29, is_reported);
    }
    start_loop(fixture);
    log_capture_begin();
    open_journal(fixture);
    log_capture_end();
    list_for_each(link, &fixture->left) {
        uint64_t sequence = container_of(link, struct note, link)->sequence;

        assert_false(is_left[sequence]);
        is_left[sequence] = true;
    }
    for (size_t i = 0; i < ROUNDS * 100000; i++) {
        assert_true(is_left[i] || !is_reported[i]);
    }
    free(is_reported);
    free(is_left);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_left_is_synced_before_more_is_written),
        TEST(test_a_segment_without_a_header_is_removed_wherever_it_is),
        TEST(test_another_header_is_refused),
        TEST(test_a_second_process_is_refused),
        TEST(test_what_was_reported_survives_kill_9),
    };

    return cmocka_run_group_tests_name("journal_crash", tests, NULL, NULL);
}
