/* SPDX-License-Identifier: MIT */
#include "journal_fixture.h"
#include "support/fake_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- a disk that fails on command: in place of what the C library has --- */

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

/* --- writing and reading back --- */

static void test_what_is_written_is_read_back(void **state)
{
    struct fixture *fixture = *state;
    struct note note;
    const struct store_batch *content;

    open_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0); /* nothing until it is needed */
    assert_int_equal(append_and_wait(fixture, &note, 7), 0);
    close_journal(fixture);
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 1);
    assert_string_equal(left_at(fixture, 0)->record.site, "site.example");
    assert_string_equal(left_at(fixture, 0)->record.epoch, EPOCH);
    content = &left_at(fixture, 0)->record.parcel->content;
    assert_int_equal(content->sequence, 7);
    assert_int_equal(content->visits, 70);
    assert_int_equal(content->hour, 470000);
    assert_int_equal(content->second, 1692000000);
    assert_int_equal(content->entry_count, 2);
    assert_string_equal(content->entries[0].page, "/a");
    assert_int_equal(content->entries[0].hits, 7);
    assert_string_equal(content->entries[1].page, "/käse");
    assert_int_equal(content->token_count, 1);
    assert_memory_equal(content->tokens[0].bytes, "token-1", 7);
    assert_int_equal(content->tokens[0].entry, 1);
    assert_int_equal(content->tokens[0].window, STORE_WINDOW_CLIENT);
    assert_int_equal(content->day, 19519);
    assert_int_equal(content->visitor_count, 2);
    assert_true(content->visitors[0].hash == UINT64_MAX && content->visitors[0].entry == 0);
    assert_true(content->visitors[1].hash == 1 && content->visitors[1].entry == 1);
    assert_int_equal(left_at(fixture, 0)->record.parcel->hits, 8);
    assert_int_equal(journal_status(fixture->journal)->visits, 8);
    assert_int_equal(journal_status(fixture->journal)->records, 1);
}

static void test_the_format_is_the_documented_one(void **state)
{
    static const char expected[] = "VCJOURNL\x01\0\0\0\x4c\x98\x69\x1d\x90\0\0\0";
    struct fixture *fixture = *state;
    struct buf bytes;

    leave_records(fixture, 1);
    bytes = read_file(fixture, FIRST);
    assert_memory_equal(bytes.bytes, expected, 8 + 4);
    assert_int_equal(bytes.bytes[16], (char)(bytes.length - 24)); /* length of the payload */
    assert_memory_equal(bytes.bytes + 24, "\x0csite.example\x00\x11\x22\x33", 17);
    assert_memory_equal(bytes.bytes + 24 + 29, "\x01\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0", 16);
    assert_memory_equal(bytes.bytes + 24 + 53, "\x3f\x4c\0\0\0\0\0\0", 8); /* the day */
    assert_memory_equal(bytes.bytes + 24 + 69, "\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0/a", 16);
    buf_finish(&bytes);
}

static void test_order_is_kept_over_segments_and_restarts(void **state)
{
    struct fixture *fixture = *state;
    struct note notes[40];
    uint64_t sequence = 1;

    for (int run = 0; run < 3; run++) {
        fixture->left_next = 1;
        open_journal(fixture);
        assert_int_equal(count_left(fixture), sequence - 1);
        for (int i = 0; i < 40; i++) {
            append_record(fixture, &notes[i],
                          i % 2 == 0 ? make_long_record(sequence) : make_record(sequence));
            sequence++;
        }
        run_until(fixture, fixture->ended + 40);
        close_journal(fixture);
    }
    fixture->left_next = 1;
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 120);
    assert_int_equal(journal_status(fixture->journal)->segments, count_files(fixture, false));
    assert_true(count_files(fixture, false) >= 6);
    assert_true(journal_status(fixture->journal)->size_bytes > 14 * MIB);
}

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

/* appends again from inside its callback, while the disk is busy with nothing else */
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
    journal_done(entry);
    if (--chain->left == 0) {
        if (++fixture->ended == fixture->wanted) {
            loop_stop(fixture->loop);
        }
        return;
    }
    record = make_record(chain->left);
    journal_append(fixture->journal, &record, entry);
    parcel_destroy(record.parcel);
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

static void test_closing_writes_what_waits(void **state)
{
    struct fixture *fixture = *state;

    leave_records(fixture, 50); /* closes in the turn of the appends */
    fixture->left_next = 1;
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 50);
}

static void test_closing_waits_for_what_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct note notes[3];

    open_journal(fixture);
    append(fixture, &notes[0], 1);
    loop_turn(fixture->loop, 1); /* at its end the first is handed to the disk thread */
    append(fixture, &notes[1], 2);
    append(fixture, &notes[2], 3);
    close_journal(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(notes[i].ended, 1);
        assert_int_equal(notes[i].error, 0);
    }
    stop_loop(fixture); /* the job comes back to a journal that is closed */
    start_loop(fixture);
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 3);
}

/* --- removing --- */

static void test_a_segment_goes_when_its_records_are_done(void **state)
{
    struct fixture *fixture = *state;
    struct note notes[40];
    struct note last;
    size_t files;

    open_journal(fixture);
    for (uint64_t i = 0; i < 40; i++) {
        append_record(fixture, &notes[i], make_long_record(i + 1));
    }
    run_until(fixture, 40);
    files = count_files(fixture, false);
    assert_int_equal(files, 3);
    for (int i = 0; i < 20; i++) {
        journal_done(&notes[i].entry);
    }
    append_and_wait(fixture, &last, 41);
    assert_false(exists(fixture, FIRST));
    assert_true(exists(fixture, "00000002.journal"));
    for (int i = 20; i < 40; i++) {
        journal_done(&notes[i].entry);
    }
    journal_done(&last.entry);
    append_and_wait(fixture, &last, 42);
    assert_int_equal(count_files(fixture, false), 1);
    assert_int_equal(journal_status(fixture->journal)->segments, 1);
    journal_done(&last.entry);
    close_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0);
}

static void test_what_was_left_and_is_done_goes(void **state)
{
    struct fixture *fixture = *state;

    leave_records(fixture, 3);
    open_journal(fixture);
    journal_done(&left_at(fixture, 0)->entry);
    journal_done(&left_at(fixture, 2)->entry);
    close_journal(fixture);
    open_journal(fixture); /* nothing is marked: all of them are back */
    assert_int_equal(count_left(fixture), 3);
    for (size_t i = 0; i < 3; i++) {
        journal_done(&left_at(fixture, i)->entry);
    }
    close_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0);
}

static void test_a_segment_that_cannot_be_removed_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    struct note note;

    leave_records(fixture, 1);
    open_journal(fixture);
    log_capture_begin();
    unlink_error = EROFS;
    journal_done(&left_at(fixture, 0)->entry);
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
        journal_done(&notes[i].entry);
    }
    assert_int_equal(append_and_wait(fixture, &notes[0], count + 1), 0);
    assert_true(journal_has_room(fixture->journal));
    assert_string_equal(journal_status(fixture->journal)->error, "");
    free(notes);
}

/* what waits and what is on its way counts too: max_size is never passed */
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

/* the good records are 1 and 2; the failed one in between is nowhere */
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
    /* it is still there, and would be found after a crash: nobody may say that it is not counted */
    assert_int_equal(append_and_wait(fixture, &note, 99), -ENOTRECOVERABLE);
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO); /* while this one never was */
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
    unlink_error = EIO; /* now it stays */
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    assert_int_equal(append_and_wait(fixture, &note, 99), -EIO);
    unlink_error = 0;
    assert_int_equal(append_and_wait(fixture, &note, 1), 0);
    assert_int_equal(append_and_wait(fixture, &note, 2), 0);
    log_capture_end();
    assert_int_equal(count_files(fixture, false), 1);
    check_one_and_two(fixture);
}

/* the kernel's own short write, at a limit of the file's size */
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

/* in the child: appends for ever, and says the sequence of what is written */
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
    parcel_destroy(record.parcel);
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

/* kills a child after it has said `count` sequences, which become true in `is_reported` */
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
    /* by sequence; these begin with 1, as those of an epoch do */
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
        TEST(test_what_is_written_is_read_back),
        TEST(test_the_format_is_the_documented_one),
        TEST(test_order_is_kept_over_segments_and_restarts),
        TEST(test_appends_of_one_turn_share_one_sync),
        TEST(test_many_owners_share_syncs),
        TEST(test_closing_writes_what_waits),
        TEST(test_closing_waits_for_what_is_under_way),
        TEST(test_a_segment_goes_when_its_records_are_done),
        TEST(test_what_was_left_and_is_done_goes),
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
        TEST(test_a_second_process_is_refused),
        TEST(test_what_was_reported_survives_kill_9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
