/* SPDX-License-Identifier: MIT */
/* Visits that pass through the journal: records of an earlier run, and those of this run. */
#include "engine_fixture.h"

#include "journal/journal.h"
#include "journal/journal_record.h"

#include <unistd.h>

#define EPOCH "0123456789abcdef0123456789abcdef"

/* restores a record from its bytes, as the journal does */
static void restore(struct fixture *fixture, uint64_t sequence, uint64_t hits)
{
    const struct store_entry entry = {"/", 1, hits, false};
    struct journal_record record = {.site = "default", .epoch = EPOCH};
    struct journal_record decoded;
    struct buf bytes = BUF_EMPTY;

    record.sealed_batch = sealed_batch_create(&(struct store_batch){
        .hour = WALL_MS / HOUR_MS, .second = WALL_MS / 1000, .entries = &entry, .entry_count = 1});
    record.sealed_batch->content.sequence = sequence;
    record.sealed_batch->content.visits = 100 * sequence;
    journal_record_encode(&record, &bytes);
    assert_int_equal(journal_record_decode(bytes.bytes, bytes.length, &decoded), 0);
    assert_non_null(engine_restore(fixture->engine, &decoded));
    sealed_batch_destroy(record.sealed_batch);
    buf_finish(&bytes);
}

/*
 * Guards: a record whose predecessors are done keeps the number that it was written with. Under
 * another number the store could treat it as a duplicate, and its visits would be lost.
 */
static void test_a_record_keeps_its_number(void **state)
{
    struct fixture *fixture = *state;

    restore(fixture, 7, 3);
    turn(fixture);
    assert_string_equal(sent(fixture)->batch.epoch, EPOCH);
    assert_sent(fixture, 7, "/", 3);
    assert_int_equal(sent(fixture)->batch.follows, 6);
    assert_int_equal(sent(fixture)->batch.visits, 700);
}

/* a store that is behind reports its position, and the record follows it */
static void test_a_record_follows_what_the_store_has(void **state)
{
    struct fixture *fixture = *state;

    restore(fixture, 7, 3);
    turn(fixture);
    end(fixture, FAKE_DONE); /* a gap: the store does not know the epoch */
    turn(fixture);
    assert_sent(fixture, 7, "/", 3);
    assert_int_equal(sent(fixture)->batch.follows, 0);
    assert_int_equal(engine_stats(fixture->engine)->lost, 697);
}

/* --- with a journal on a disk --- */

/* longer than the time after which visits go to the journal */
#define MOMENT_MS 300

static void lose_store(struct fixture *fixture)
{
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, MOMENT_MS);
}

static void stop_when_answered(struct fixture *fixture)
{
    loop_stop(fixture->loop);
}

static struct journal_entry *on_record(void *data, struct journal_record *record)
{
    (void)data;
    (void)record;
    fail(); /* a new directory has no records */
    return NULL;
}

/* a journal in a directory of its own, which the engine uses */
struct bench {
    char directory[32];
    struct disk *disk;
    struct journal *journal;
};

static void begin(struct fixture *fixture, struct bench *bench)
{
    struct buf errors = BUF_EMPTY;
    struct journal_options options = {bench->directory, 1 << 20};

    strcpy(bench->directory, "/tmp/visitcountd-test-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    bench->disk = disk_create(fixture->loop);
    bench->journal = journal_open(fixture->loop, bench->disk, &options, on_record, NULL, &errors);
    assert_non_null(bench->journal);
    engine_use_journal(fixture->engine, bench->journal);
    fixture->on_answer = stop_when_answered;
}

/* checks that the journal is empty, and closes it */
static void finish(struct fixture *fixture, struct bench *bench)
{
    assert_int_equal(journal_status(bench->journal)->records, 0);
    engine_use_journal(fixture->engine, NULL);
    journal_close(bench->journal);
    disk_destroy(bench->disk);
    assert_int_equal(rmdir(bench->directory), 0);
}

/*
 * Guards: a visit of a new page was answered as journaled after its batch's answer was lost. But
 * the store had refused the page because of the limit. The repetition of the batch gets the same
 * answer, so the visit would never count.
 */
static void test_a_page_that_may_have_been_refused_is_not_promised(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    size_t first;

    begin(fixture, &bench);
    fixture->visits[0].visit.pages_max = 1;
    visit(fixture, "/known");
    turn(fixture);
    end(fixture, FAKE_DONE);
    advance(fixture, 5);
    first = fixture->count;
    fixture->visits[first].visit.pages_max = 1;
    visit(fixture, "/known");
    fixture->visits[first + 1].visit.pages_max = 1;
    visit(fixture, "/new");
    turn(fixture);
    fake_store_go_away(fixture->store, FAKE_REPLY_LOST);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    while (!fixture->visits[first + 1].is_answered) {
        loop_run(fixture->loop);
    }
    assert_int_equal(fixture->visits[first].status, VISIT_JOURNALED);
    assert_uncounted(fixture, first + 1, VISIT_UNKNOWN);
    fake_store_come_back(fixture->store);
    turn(fixture);
    end_check(fixture, FAKE_DONE);
    end(fixture, FAKE_DONE);
    assert_int_equal(fake_database_total(fixture->database, "default", "/known"), 2);
    assert_int_equal(fake_database_total(fixture->database, "default", "/new"), 0);
    finish(fixture, &bench);
}

/*
 * Guards: a visit joins the backlog while an earlier batch is tried at a store that refuses. It was
 * written only when that batch was done, and waited until then.
 */
static void test_a_visit_behind_a_batch_that_is_tried_is_written_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    size_t i;

    begin(fixture, &bench);
    lose_store(fixture);
    i = visit(fixture, "/first");
    loop_run(fixture->loop); /* until the record is on the disk */
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
    fake_store_come_back(fixture->store);
    turn(fixture);
    assert_sent(fixture, 1, "/first", 1);
    end(fixture, FAKE_REFUSED);
    lose_store(fixture);
    i = visit(fixture, "/second");
    fake_store_come_back(fixture->store); /* before the turn ends: the first batch is tried again */
    loop_run(fixture->loop);
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
    assert_int_equal(journal_status(bench.journal)->records, 2);
    fixture->on_answer = NULL;
    for (int batch = 0; batch < 2; batch++) {
        turn(fixture);
        end(fixture, FAKE_DONE);
    }
    finish(fixture, &bench);
}

/*
 * journals a visit in an outage and replays it as the first batch of its epoch; returns the epoch
 */
static void count_in_outage(struct fixture *fixture, char ret_epoch[STORE_EPOCH_LENGTH + 1])
{
    size_t i;

    lose_store(fixture);
    i = visit(fixture, "/");
    loop_run(fixture->loop);
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
    fake_store_come_back(fixture->store);
    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    strcpy(ret_epoch, sent(fixture)->batch.epoch);
    end(fixture, FAKE_DONE);
}

/*
 * Guards: the records of an outage had the epoch of the last outage, even of one long ago. The
 * store had swept that epoch, which was reported as a loss.
 */
static void test_an_outage_long_after_another_has_an_epoch_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    char first[STORE_EPOCH_LENGTH + 1];
    char second[STORE_EPOCH_LENGTH + 1];
    struct bench bench;

    begin(fixture, &bench);
    count_in_outage(fixture, first);
    loop_advance(fixture->loop, LEDGER_TTL_MS / 2 + 10000, 500000);
    count_in_outage(fixture, second);
    assert_string_not_equal(first, second);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
    finish(fixture, &bench);
}

/* --- a site that is refused --- */

/* ends batches of `site` with `fate` and applies all others, for `ms` */
static void refuse_site(struct fixture *fixture, const char *site, enum fake_fate fate, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        for (size_t i = fake_store_open_count(fixture->store); i > 0; i--) {
            struct fake_call *call = fake_store_call(fixture->store, 0);
            bool is_site = strcmp(call->batch.site, site) == 0;

            fake_store_end(fixture->store, call, is_site ? fate : FAKE_DONE);
        }
        advance(fixture, 5);
    }
}

static void wait_for_answer(struct fixture *fixture, size_t i)
{
    while (!fixture->visits[i].is_answered) {
        loop_run(fixture->loop);
    }
}

/*
 * Guards: while one site was refused, visits of all sites went to the journal. And each visit of
 * the refused site resent the journaled batches, even right after a refusal.
 */
static void test_only_the_refused_site_goes_to_the_journal(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    uint64_t before;
    size_t i;

    begin(fixture, &bench);
    i = visit_site(fixture, "broken", "/");
    turn(fixture);
    refuse_site(fixture, "broken", FAKE_REFUSED, MAX_WAIT_MS + EXPIRE_MS);
    wait_for_answer(fixture, i);
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
    before = fixture->store->apply_count;
    visit_site(fixture, "broken", "/"); /* tests whether the site is still refused */
    for (int round = 0; round < 10; round++) {
        i = visit_site(fixture, "broken", "/");
        wait_for_answer(fixture, i);
        assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
        refuse_site(fixture, "broken", FAKE_REFUSED, 5);
    }
    assert_in_range(fixture->store->apply_count - before, 0, 4);
    i = visit_site(fixture, "sound", "/");
    turn(fixture);
    fake_store_end(fixture->store, fake_store_call_of(fixture->store, "sound"), FAKE_DONE);
    assert_counted(fixture, i, 1);
    fixture->on_answer = NULL;
    refuse_site(fixture, "", FAKE_DONE, LAST_RETRY_MS);
    assert_int_equal(fake_database_total(fixture->database, "broken", "/"), 12);
    finish(fixture, &bench);
}

static void test_of_a_store_that_refuses_all_the_journal_is_tried_by_one(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sites[] = {"one", "two", "three"};
    struct bench bench;
    size_t i;

    begin(fixture, &bench);
    visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_REFUSED_ALL);
    for (uint64_t ms = 0; ms < MAX_WAIT_MS + EXPIRE_MS; ms += 5) {
        fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
        advance(fixture, 5);
    }
    wait_for_answer(fixture, 0);
    visit_site(fixture, "two", "/"); /* tests whether the store still refuses */
    for (int round = 0; round < 30; round++) {
        i = visit_site(fixture, sites[round % 3], "/");
        wait_for_answer(fixture, i);
        assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
        assert_in_range(fake_store_open_count(fixture->store), 0, 1);
        fake_store_end_all(fixture->store, FAKE_REFUSED_ALL);
        advance(fixture, 5);
    }
    fixture->on_answer = NULL;
    refuse_site(fixture, "", FAKE_DONE, LAST_RETRY_MS);
    for (int site = 0; site < 3; site++) {
        assert_int_equal(fake_database_total(fixture->database, sites[site], "/"),
                         site == 2 ? 10 : 11);
    }
    finish(fixture, &bench);
}

/* Journaled visits of a torn site might never count. So they are refused, as without a journal. */
static void test_a_torn_site_does_not_go_to_the_journal(void **state)
{
    struct fixture *fixture = *state;
    struct bench bench;
    size_t i;

    begin(fixture, &bench);
    i = visit_site(fixture, "torn", "/");
    turn(fixture);
    end(fixture, FAKE_TORN);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = visit_site(fixture, "torn", "/");
    assert_int_equal(try_visit(fixture, "torn", "/"), -EHOSTDOWN);
    fixture->on_answer = NULL;
    refuse_site(fixture, "torn", FAKE_TORN, MAX_WAIT_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    fixture->on_answer = stop_when_answered;
    lose_store(fixture);
    assert_int_equal(try_visit(fixture, "torn", "/"), -EHOSTDOWN);
    i = visit_site(fixture, "sound", "/");
    wait_for_answer(fixture, i);
    assert_int_equal(fixture->visits[i].status, VISIT_JOURNALED);
    fixture->on_answer = NULL;
    fake_store_come_back(fixture->store);
    refuse_site(fixture, "", FAKE_DONE, LAST_RETRY_MS);
    finish(fixture, &bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_record_keeps_its_number),
        TEST(test_a_record_follows_what_the_store_has),
        TEST(test_a_page_that_may_have_been_refused_is_not_promised),
        TEST(test_a_visit_behind_a_batch_that_is_tried_is_written_at_once),
        TEST(test_an_outage_long_after_another_has_an_epoch_of_its_own),
        TEST(test_only_the_refused_site_goes_to_the_journal),
        TEST(test_of_a_store_that_refuses_all_the_journal_is_tried_by_one),
        TEST(test_a_torn_site_does_not_go_to_the_journal),
    };

    return cmocka_run_group_tests_name("spill", tests, NULL, NULL);
}
