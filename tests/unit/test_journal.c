/* SPDX-License-Identifier: MIT */
/* Records are read back in the order in which they were written, until they are done. */
#include "journal_fixture.h"
#include "store/stamp.h"
#include "support/fake_clock.h"

#include <errno.h>

/* --- writing and reading back --- */

static void test_what_is_written_is_read_back(void **state)
{
    struct fixture *fixture = *state;
    struct note note;
    const struct store_batch *content;

    open_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0); /* no file until it is needed */
    assert_int_equal(append_and_wait(fixture, &note, 7), 0);
    close_journal(fixture);
    open_journal(fixture);
    assert_int_equal(count_left(fixture), 1);
    assert_string_equal(left_at(fixture, 0)->record.site, "site.example");
    assert_string_equal(left_at(fixture, 0)->record.epoch, EPOCH);
    content = &left_at(fixture, 0)->record.sealed_batch->content;
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
    assert_int_equal(left_at(fixture, 0)->record.sealed_batch->hits, 8);
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

/* a store relies on the fixed length of a stamp */
static void test_stamps_are_read_back_whole_or_not_at_all(void **state)
{
    struct store_entry entry = {"/", 1, 1, false};

    (void)state;
    for (size_t length = STAMP_LENGTH - 1; length <= STAMP_LENGTH + 1; length++) {
        struct store_token token = {"0123456789abcdefg", length, 0, STORE_WINDOW_STAMPED};
        struct store_batch content = {
            .entries = &entry, .entry_count = 1, .tokens = &token, .token_count = 1};
        struct journal_record record = {
            .site = "s", .epoch = EPOCH, .sealed_batch = sealed_batch_create(&content)};
        struct journal_record decoded;
        struct buf bytes = BUF_EMPTY;
        bool is_right = length == STAMP_LENGTH;

        record.sealed_batch->content.sequence = 1;
        journal_record_encode(&record, &bytes);
        assert_int_equal(journal_record_decode(bytes.bytes, bytes.length, &decoded),
                         is_right ? 0 : -EBADMSG);
        if (is_right) {
            assert_int_equal(decoded.sealed_batch->content.tokens[0].window, STORE_WINDOW_STAMPED);
            assert_memory_equal(decoded.sealed_batch->content.tokens[0].bytes, token.bytes, length);
            sealed_batch_destroy(decoded.sealed_batch);
        }
        sealed_batch_destroy(record.sealed_batch);
        buf_finish(&bytes);
    }
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
    loop_turn(fixture->loop, 1); /* at its end the disk thread gets the first one */
    append(fixture, &notes[1], 2);
    append(fixture, &notes[2], 3);
    close_journal(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(notes[i].ended, 1);
        assert_int_equal(notes[i].error, 0);
    }
    stop_loop(fixture); /* the job ends after the journal is closed */
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
        journal_entry_done(&notes[i].entry);
    }
    append_and_wait(fixture, &last, 41);
    assert_false(exists(fixture, FIRST));
    assert_true(exists(fixture, "00000002.journal"));
    for (int i = 20; i < 40; i++) {
        journal_entry_done(&notes[i].entry);
    }
    journal_entry_done(&last.entry);
    append_and_wait(fixture, &last, 42);
    assert_int_equal(count_files(fixture, false), 1);
    assert_int_equal(journal_status(fixture->journal)->segments, 1);
    journal_entry_done(&last.entry);
    close_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0);
}

static void test_what_was_left_and_is_done_goes(void **state)
{
    struct fixture *fixture = *state;

    leave_records(fixture, 3);
    open_journal(fixture);
    journal_entry_done(&left_at(fixture, 0)->entry);
    journal_entry_done(&left_at(fixture, 2)->entry);
    close_journal(fixture);
    open_journal(fixture); /* no record is marked, so all of them are back */
    assert_int_equal(count_left(fixture), 3);
    for (size_t i = 0; i < 3; i++) {
        journal_entry_done(&left_at(fixture, i)->entry);
    }
    close_journal(fixture);
    assert_int_equal(count_files(fixture, false), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_written_is_read_back),
        TEST(test_the_format_is_the_documented_one),
        TEST(test_stamps_are_read_back_whole_or_not_at_all),
        TEST(test_order_is_kept_over_segments_and_restarts),
        TEST(test_closing_writes_what_waits),
        TEST(test_closing_waits_for_what_is_under_way),
        TEST(test_a_segment_goes_when_its_records_are_done),
        TEST(test_what_was_left_and_is_done_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
