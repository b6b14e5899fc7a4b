/* SPDX-License-Identifier: MIT */
/* What crashes leave of a journal, and how it is opened again. */
#include "journal_fixture.h"

#include <sys/syscall.h>

static unsigned synced_files; /* by fsync(2) since it was set to 0; directories are not counted */

int fsync(int fd)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        synced_files++;
    }
    return (int)syscall(SYS_fsync, fd);
}

/*
 * Guards: what a process that was killed had written may not be on the disk yet. If it stayed so
 * while newer segments are written, a crash of the machine would tear a segment that is not the
 * last one, which is refused.
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

/* a disk that fails when a segment is made, and when it is removed, leaves a part of a header */
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

/* a header that no crash leaves so is damage, as before */
static void test_another_header_is_refused(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, FIRST, "VCJOx", 5);
    assert_false(try_open(fixture));
    assert_non_null(strstr(fixture->errors.bytes, FIRST));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_left_is_synced_before_more_is_written),
        TEST(test_a_segment_without_a_header_is_removed_wherever_it_is),
        TEST(test_another_header_is_refused),
    };

    return cmocka_run_group_tests_name("journal_crash", tests, NULL, NULL);
}
