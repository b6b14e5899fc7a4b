/* SPDX-License-Identifier: MIT */
/*
 * Records that the store rejects because their site was repaired. They are kept and never replayed.
 */
#include "journal_fixture.h"

#include "journal/journal_inspect.h"

#define FIRST_ASIDE "00000001.aside"

static void set_aside(struct fixture *fixture, size_t index)
{
    struct note *note = left_at(fixture, index);

    journal_entry_set_aside(&note->entry, &note->record);
}

/* opens the journal that was left, sets records aside, and closes it */
static void set_aside_and_close(struct fixture *fixture, size_t count)
{
    open_journal(fixture);
    for (size_t i = 0; i < count; i++) {
        set_aside(fixture, i);
    }
    close_journal(fixture);
}

struct seen {
    uint64_t records;
    uint64_t visits;
    uint64_t damages;
};

static void on_record(void *data, const struct journal_position *position,
                      const struct journal_record *record)
{
    struct seen *seen = data;

    assert_non_null(strstr(position->file, ".aside"));
    seen->records++;
    seen->visits += record->sealed_batch->hits;
}

static void on_damage(void *data, const struct journal_position *position, const char *damage)
{
    (void)position;
    (void)damage;
    ((struct seen *)data)->damages++;
}

static struct seen inspect(struct fixture *fixture)
{
    struct seen seen = {0};
    struct journal_inspector inspector = {on_record, on_damage, &seen};

    assert_int_equal(journal_inspect_aside(fixture->directory, &inspector), 0);
    return seen;
}

static void test_only_what_is_set_aside_is_kept_back(void **state)
{
    struct fixture *fixture = *state;
    const struct journal_status *status;

    leave_records(fixture, 3); /* of 2, 3 and 4 visits */
    set_aside_and_close(fixture, 2);
    assert_true(exists(fixture, FIRST));
    open_journal(fixture);
    status = journal_status(fixture->journal);
    assert_int_equal(count_left(fixture), 3); /* all records of a segment, as always */
    assert_int_equal(status->aside_records, 2);
    assert_int_equal(status->aside_visits, 5);
    assert_int_equal(inspect(fixture).records, 2);
    assert_int_equal(inspect(fixture).visits, 5);
    journal_entry_done(&left_at(fixture, 2)->entry);
    set_aside(fixture, 0);
    set_aside(fixture, 1);
    assert_int_equal(status->records, 0);
    close_journal(fixture);
    assert_false(exists(fixture, FIRST));
    open_journal(fixture);
    status = journal_status(fixture->journal);
    assert_int_equal(count_left(fixture), 0);
    assert_int_equal(status->size_bytes, 0); /* counts against max_size */
    assert_int_equal(status->aside_visits, 5);
    assert_true(journal_is_empty(fixture->journal));
}

/* a crash while a record is set aside leaves it in its segment too */
static void test_a_record_is_set_aside_once(void **state)
{
    struct fixture *fixture = *state;
    struct buf segment;

    leave_records(fixture, 2);
    segment = read_file(fixture, FIRST);
    for (int run = 0; run < 3; run++) {
        set_aside_and_close(fixture, 2);
        assert_false(exists(fixture, FIRST));
        write_file(fixture, FIRST, segment.bytes, segment.length);
    }
    open_journal(fixture);
    assert_int_equal(journal_status(fixture->journal)->aside_records, 2);
    assert_int_equal(inspect(fixture).records, 2);
    buf_finish(&segment);
}

static void test_a_file_that_was_cut_short_does_not_matter(void **state)
{
    struct fixture *fixture = *state;
    struct buf bytes;

    leave_records(fixture, 2);
    set_aside_and_close(fixture, 2);
    bytes = read_file(fixture, FIRST_ASIDE);
    write_file(fixture, FIRST_ASIDE, bytes.bytes, bytes.length - 1);
    buf_finish(&bytes);
    leave_records(fixture, 3); /* the third one is new, the second one was cut */
    set_aside_and_close(fixture, 3);
    open_journal(fixture);
    assert_int_equal(journal_status(fixture->journal)->aside_records, 3);
    assert_int_equal(journal_status(fixture->journal)->aside_visits, 2 + 3 + 4);
    assert_int_equal(inspect(fixture).damages, 1);
}

static void test_what_cannot_be_set_aside_stays_in_the_journal(void **state)
{
    struct fixture *fixture = *state;
    struct note note;
    char path[512];
    const char *log;

    leave_records(fixture, 1);
    open_journal(fixture);
    path_of(fixture, FIRST_ASIDE, path);
    assert_int_equal(mkdir(path, 0700), 0);
    log_capture_begin();
    set_aside(fixture, 0);
    assert_int_equal(append_and_wait(fixture, &note, 7), 0);
    log = log_capture_end();
    assert_non_null(strstr(log, FIRST_ASIDE ": create: file exists"));
    assert_int_equal(journal_status(fixture->journal)->aside_records, 0);
    assert_int_equal(journal_status(fixture->journal)->records, 2);
    assert_true(exists(fixture, FIRST));
    journal_entry_done(&note.entry);
    assert_int_equal(append_and_wait(fixture, &note, 8), 0); /* the write is tried again */
    assert_int_equal(journal_status(fixture->journal)->aside_records, 1);
    assert_int_equal(rmdir(path), 0);
    journal_entry_done(&note.entry);
}

static void test_an_epoch_says_its_generation(void **state)
{
    static const char *const epochs[] = {"g00000000123456789abcdef01234567",
                                         "g9999999ffffffffffffffffffffffff",
                                         "ffffffffffffffffffffffffffffffff", EPOCH};
    struct fixture *fixture = *state;
    struct note notes[4];

    open_journal(fixture);
    for (size_t i = 0; i < 4; i++) {
        struct journal_record record = make_record(i + 1);

        strcpy(record.epoch, epochs[i]);
        append_record(fixture, &notes[i], record);
    }
    close_journal(fixture);
    open_journal(fixture);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(left_at(fixture, i)->record.epoch, epochs[i]);
        assert_string_equal(left_at(fixture, i)->record.site, "site.example");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_is_set_aside_is_kept_back),
        TEST(test_a_record_is_set_aside_once),
        TEST(test_a_file_that_was_cut_short_does_not_matter),
        TEST(test_what_cannot_be_set_aside_stays_in_the_journal),
        TEST(test_an_epoch_says_its_generation),
    };

    return cmocka_run_group_tests_name("journal_aside", tests, NULL, NULL);
}
