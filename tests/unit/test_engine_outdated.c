/* SPDX-License-Identifier: MIT */
/*
 * A site that an operator repaired. Batches sent before the repair are not sent again. All others
 * go on.
 */
#include "engine_fixture.h"

#include "journal/journal.h"
#include "journal/journal_inspect.h"
#include "journal/journal_record.h"

#include <ftw.h>
#include <unistd.h>

/* longer than the time after which visits go to the journal */
#define MOMENT_MS 300

static bool is_of_generation(const struct fake_call *call, unsigned long long generation)
{
    char beginning[16];

    snprintf(beginning, sizeof(beginning), "g%07llu", generation);
    return strncmp(call->batch.epoch, beginning, strlen(beginning)) == 0;
}

/* --- without a journal --- */

static void test_a_new_instance_learns_the_generation(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    fixture->store->generation = 3;
    turn(fixture);
    assert_true(is_of_generation(sent(fixture), 0));
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_waiting(fixture, i);
    assert_true(is_of_generation(sent(fixture), 3));
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    assert_int_equal(engine_stats(fixture->engine)->outdated, 0);
    assert_int_equal(engine_stats(fixture->engine)->refused, 0);
}

static void test_what_is_retained_is_dropped_and_open_visits_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct engine_doubts doubts;
    size_t i;

    fake_database_destroy(count_batches(fixture, 3, 3));
    engine_doubts(fixture->engine, "default", &doubts);
    assert_int_equal(doubts.retained, 6);
    fixture->store->generation = 1;
    i = visit(fixture, "/");
    turn(fixture);
    visit(fixture, "/");
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
    assert_int_equal(engine_stats(fixture->engine)->outdated, 6);
    assert_true(is_of_generation(sent(fixture), 1));
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 7);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i + 1, 8);
}

static void test_a_batch_in_doubt_is_not_sent_again(void **state)
{
    struct fixture *fixture = *state;
    size_t doubtful = visit(fixture, "/");
    size_t open;

    turn(fixture);
    open = visit(fixture, "/");
    end(fixture, FAKE_REPLY_LOST);
    fixture->store->generation = 1;
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    assert_uncounted(fixture, doubtful, VISIT_UNKNOWN);
    turn(fixture);
    assert_true(is_of_generation(sent(fixture), 1));
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, open, 2);
    assert_int_equal(engine_stats(fixture->engine)->outdated, 1);
}

/* the check of the ledger also reports the new generation */
static void test_a_check_finds_out(void **state)
{
    struct fixture *fixture = *state;

    count_one(fixture, "/", 1);
    fixture->store->generation = 2;
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
    assert_false(engine_is_resending(fixture->engine));
    visit(fixture, "/");
    turn(fixture);
    assert_true(is_of_generation(sent(fixture), 2));
    end(fixture, FAKE_DONE);
}

static void test_a_repair_by_this_instance_is_known_at_once(void **state)
{
    struct fixture *fixture = *state;

    count_one(fixture, "/", 1);
    fixture->store->generation = 1;
    engine_note_repair(fixture->engine, "default", 1);
    assert_int_equal(engine_retained_bytes(fixture->engine), 0);
    visit(fixture, "/");
    turn(fixture);
    assert_true(is_of_generation(sent(fixture), 1));
    end(fixture, FAKE_DONE);
    assert_int_equal(total(fixture), 2);
    visit_site(fixture, "other", "/");
    turn(fixture);
    assert_true(is_of_generation(sent(fixture), 0)); /* not known for another site */
    end(fixture, FAKE_DONE);
    turn(fixture);
    end(fixture, FAKE_DONE);
}

/* --- with a journal --- */

struct bench {
    char directory[32];
    struct disk *disk;
    struct journal *journal;
};

static void open_bench(struct fixture *fixture, struct bench *bench)
{
    struct buf errors = BUF_EMPTY;
    struct journal_options options = {bench->directory, 1 << 20};

    bench->disk = disk_create(fixture->loop);
    bench->journal = journal_open(fixture->loop, bench->disk, &options, engine_restore,
                                  fixture->engine, &errors);
    assert_non_null(bench->journal);
    engine_use_journal(fixture->engine, bench->journal);
}

static void begin(struct fixture *fixture, struct bench *bench)
{
    strcpy(bench->directory, "/tmp/visitcountd-test-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    open_bench(fixture, bench);
}

static void close_bench(struct fixture *fixture, struct bench *bench)
{
    engine_use_journal(fixture->engine, NULL);
    journal_close(bench->journal);
    disk_destroy(bench->disk);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void finish(struct fixture *fixture, struct bench *bench)
{
    close_bench(fixture, bench);
    nftw(bench->directory, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

/* starts another process with the journal of the one before */
static void restart_process(struct fixture *fixture, struct bench *bench)
{
    engine_abandon(fixture->engine);
    close_bench(fixture, bench);
    engine_destroy(fixture->engine);
    fixture->engine = engine_create(fixture->loop, &fixture->store->store, &default_options);
    open_bench(fixture, bench);
}

static void stop_when_answered(struct fixture *fixture)
{
    loop_stop(fixture->loop);
}

static void lose_store(struct fixture *fixture)
{
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, MOMENT_MS);
}

/* a visit that goes to the journal */
static void journal_visit(struct fixture *fixture, const char *page)
{
    size_t i = visit(fixture, page);

    fixture->on_answer = stop_when_answered;
    while (!fixture->visits[i].is_answered) {
        loop_run(fixture->loop);
    }
    fixture->on_answer = NULL;
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
}

/* waits until the disk thread has set `visits` aside */
static void wait_for_aside(struct fixture *fixture, const struct bench *bench, uint64_t visits)
{
    for (int i = 0; i < 100000 && journal_status(bench->journal)->aside_visits != visits; i++) {
        usleep(50);
        turn(fixture);
    }
    assert_int_equal(journal_status(bench->journal)->aside_visits, visits);
}

static void count_aside(void *data, const struct journal_position *position,
                        const struct journal_record *record)
{
    (void)position;
    *(uint64_t *)data += record->sealed_batch->hits;
}

static void on_damage(void *data, const struct journal_position *position, const char *damage)
{
    (void)data;
    (void)position;
    fail_msg("%s", damage);
}

static uint64_t aside_on_disk(const struct bench *bench)
{
    uint64_t visits = 0;
    struct journal_inspector inspector = {count_aside, on_damage, &visits};

    assert_int_equal(journal_inspect_aside(bench->directory, &inspector), 0);
    return visits;
}

static void test_records_of_before_the_repair_are_set_aside(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    struct engine_doubts doubts;

    begin(fixture, &bench);
    count_one(fixture, "/", 1);
    lose_store(fixture);
    for (int i = 0; i < 3; i++) {
        journal_visit(fixture, "/");
    }
    engine_doubts(fixture->engine, "default", &doubts);
    assert_int_equal(doubts.journaled, 3);
    fixture->store->generation = 1;
    fake_store_come_back(fixture->store);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    wait_for_aside(fixture, &bench, 3);
    assert_int_equal(journal_status(bench.journal)->records, 0);
    assert_int_equal(aside_on_disk(&bench), 3);
    assert_int_equal(engine_stats(fixture->engine)->outdated, 4);
    count_one(fixture, "/", 2);
    lose_store(fixture);
    journal_visit(fixture, "/"); /* under the new generation */
    fake_store_come_back(fixture->store);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_int_equal(total(fixture), 3);
    assert_int_equal(journal_status(bench.journal)->aside_visits, 3);
    finish(fixture, &bench);
}

/*
 * Guards: a batch was open when another lane learned of a repair. Its answer was lost, it went to
 * the journal under its old epoch, and its visit was answered as journaled. The record was set
 * aside, so the visit never counted.
 */
static void test_a_record_that_will_be_set_aside_promises_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    size_t last;

    begin(fixture, &bench);
    count_one(fixture, "/", 1);
    last = visit(fixture, "/");
    turn(fixture);
    fixture->store->generation = 1;
    engine_note_repair(fixture->engine, "default", 1);
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    fixture->on_answer = stop_when_answered;
    while (!fixture->visits[last].is_answered) {
        loop_run(fixture->loop);
    }
    fixture->on_answer = NULL;
    assert_uncounted(fixture, last, VISIT_UNKNOWN);
    fake_store_come_back(fixture->store);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_int_equal(total(fixture), 1);
    finish(fixture, &bench);
}

static void test_records_of_an_earlier_run_are_set_aside(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;

    begin(fixture, &bench);
    count_one(fixture, "/", 1);
    lose_store(fixture);
    journal_visit(fixture, "/");
    journal_visit(fixture, "/");
    restart_process(fixture, &bench);
    assert_int_equal(journal_status(bench.journal)->visits, 2);
    fixture->store->generation = 1;
    fake_store_come_back(fixture->store);
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    wait_for_aside(fixture, &bench, 2);
    restart_process(fixture, &bench);
    assert_int_equal(journal_status(bench.journal)->visits, 0);
    assert_int_equal(journal_status(bench.journal)->aside_visits, 2);
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE); /* it learns the generation */
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_int_equal(total(fixture), 2);
    finish(fixture, &bench);
}

/* the process could not know the generation, and has sent no batch of it */
static void test_records_of_a_process_that_never_saw_the_store_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;

    begin(fixture, &bench);
    fixture->store->generation = 5;
    advance(fixture, MOMENT_MS);
    for (int i = 0; i < 3; i++) {
        journal_visit(fixture, "/");
    }
    fake_store_come_back(fixture->store);
    for (int i = 0; i < 4; i++) { /* first outdated, then one after the other */
        turn(fixture);
        end(fixture, FAKE_DONE);
    }
    assert_int_equal(total(fixture), 3);
    assert_int_equal(journal_status(bench.journal)->records, 0);
    assert_int_equal(journal_status(bench.journal)->aside_visits, 0);
    finish(fixture, &bench);
}

/* a record that was sent without an answer is in doubt anyway */
static void test_a_blind_process_sets_aside_what_is_in_doubt(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;

    begin(fixture, &bench);
    advance(fixture, MOMENT_MS);
    journal_visit(fixture, "/");
    journal_visit(fixture, "/");
    fake_store_come_back(fixture->store);
    turn(fixture);
    fixture->store->generation = 1;
    end(fixture, FAKE_REPLY_LOST);
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    turn(fixture);
    end(fixture, FAKE_DONE);
    wait_for_aside(fixture, &bench, 1);
    assert_int_equal(total(fixture), 2);
    assert_int_equal(journal_status(bench.journal)->records, 0);
    finish(fixture, &bench);
}

/* The record of a batch in doubt is being written. It is set aside once it is written. */
static void test_a_record_that_is_on_its_way_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    size_t i;

    begin(fixture, &bench);
    i = visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    fixture->store->generation = 1;
    fixture->visits[i].visit.deadline_ms = 0; /* it times out now: to the journal */
    advance(fixture, EXPIRE_MS);
    if (fake_store_open_count(fixture->store) == 0) {
        wait_for_resend(fixture);
    }
    end(fixture, FAKE_DONE);
    assert_true(fixture->visits[i].is_answered);
    wait_for_aside(fixture, &bench, 1);
    assert_int_equal(journal_status(bench.journal)->records, 0);
    count_one(fixture, "/", 2);
    finish(fixture, &bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_instance_learns_the_generation),
        TEST(test_what_is_retained_is_dropped_and_open_visits_go_on),
        TEST(test_a_batch_in_doubt_is_not_sent_again),
        TEST(test_a_check_finds_out),
        TEST(test_a_repair_by_this_instance_is_known_at_once),
        TEST(test_records_of_before_the_repair_are_set_aside),
        TEST(test_a_record_that_will_be_set_aside_promises_nothing),
        TEST(test_records_of_an_earlier_run_are_set_aside),
        TEST_AWAY(test_records_of_a_process_that_never_saw_the_store_go_on),
        TEST_AWAY(test_a_blind_process_sets_aside_what_is_in_doubt),
        TEST(test_a_record_that_is_on_its_way_is_set_aside),
    };

    return cmocka_run_group_tests_name("engine_outdated", tests, NULL, NULL);
}
