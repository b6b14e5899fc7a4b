/* SPDX-License-Identifier: MIT */
/* what the SQLite store deletes by itself, also if the wall clock jumps */
#include "sqlite_fixture.h"
#include "support/fake_clock.h"

#define MONO_MS   UINT64_C(5000000)
#define HOUR_MS   UINT64_C(3600000)
#define DAY_MS    (24 * HOUR_MS)
#define TODAY     UINT64_C(20600)
#define WALL_MS   (TODAY * DAY_MS + 12 * HOUR_MS)
#define FAR_MS    (500 * DAY_MS)
#define AN_HOUR   (HOUR_MS + 1)
#define OLD_DAYS  "SELECT count(*) FROM day WHERE day < 20000"
#define OLD_HOURS "SELECT count(*) FROM hour WHERE hour < 480000"
#define DAYS_KEPT "SELECT count(*) FROM day WHERE day BETWEEN 20500 AND 20600"

/* the monotonic clock; the test sets the wall clock separately */
static uint64_t monotonic_ms;

static void set_clocks(uint64_t wall_ms)
{
    fake_clock_stop(monotonic_ms, wall_ms);
}

static void pass(uint64_t ms)
{
    monotonic_ms += ms;
    fake_clock_advance(ms);
}

/* a visit at the present wall clock */
static void visit_now(struct fixture *fixture)
{
    assert_int_equal(visit(fixture, "/", 1, HOUR).outcome, STORE_OK);
}

/* a store with visits of five days and of two old days */
static struct fixture *open_with_history(void **state)
{
    struct fixture *fixture = bare_fixture(state);

    monotonic_ms = MONO_MS;
    set_clocks(WALL_MS);
    open_store(fixture);
    close_store(fixture);
    change(fixture, "INSERT INTO hits VALUES (1, 'default', '/', 7), (2, 'default', '', 7);"
                    "INSERT INTO day VALUES (100, 1, 1), (101, 1, 1);"
                    "INSERT INTO hour VALUES (2400, 1, 1), (2424, 1, 1);"
                    "INSERT INTO uniques VALUES (100, 1, 1);"
                    "INSERT INTO day SELECT 20596 + value, 1, 1 FROM json_each('[0,1,2,3,4]')");
    open_store(fixture);
    return fixture;
}

static int teardown_clock(void **state)
{
    fake_clock_release();
    return teardown(state);
}

/* guards: one visit while the clock was 500 days ahead deleted the whole history */
static void test_a_clock_that_is_ahead_for_a_visit_deletes_no_history(void **state)
{
    struct fixture *fixture = open_with_history(state);

    pass(AN_HOUR);
    visit_now(fixture);
    assert_true(ask(fixture, DAYS_KEPT) == 6); /* with the site's row of today */
    set_clocks(WALL_MS + AN_HOUR + FAR_MS);
    visit_now(fixture);
    visit_now(fixture);
    set_clocks(WALL_MS + AN_HOUR);
    visit_now(fixture);
    pass(AN_HOUR);
    visit_now(fixture);
    assert_true(ask(fixture, DAYS_KEPT) == 6);
    assert_true(total_of(fixture, "default", "/") == 12);
}

/* also if it stays ahead for long, and by less than the lifetime of history */
static void test_a_clock_that_stays_ahead_deletes_no_history(void **state)
{
    struct fixture *fixture = open_with_history(state);

    for (int hours = 0; hours < 30; hours++) {
        set_clocks(WALL_MS + FAR_MS + (monotonic_ms - MONO_MS));
        visit_now(fixture);
        pass(AN_HOUR);
    }
    assert_true(ask(fixture, DAYS_KEPT) == 5);
    assert_true(ask(fixture, OLD_DAYS) == 2);
}

/* guards: a process that starts while the clock is ahead sees no jump */
static void test_a_clock_that_is_ahead_at_the_start_deletes_no_history(void **state)
{
    struct fixture *fixture = open_with_history(state);

    pass(AN_HOUR);
    visit_now(fixture);
    close_store(fixture);
    for (int starts = 0; starts < 3; starts++) {
        set_clocks(WALL_MS + FAR_MS + (monotonic_ms - MONO_MS));
        open_store(fixture);
        visit_now(fixture);
        pass(AN_HOUR);
        visit_now(fixture);
        close_store(fixture);
    }
    assert_true(ask(fixture, DAYS_KEPT) == 6);
    open_store(fixture);
}

static void test_old_history_goes_after_an_hour(void **state)
{
    struct fixture *fixture = open_with_history(state);

    visit_now(fixture);
    pass(HOUR_MS / 2);
    visit_now(fixture);
    assert_true(ask(fixture, OLD_DAYS) == 2);
    pass(AN_HOUR);
    visit_now(fixture);
    assert_true(ask(fixture, OLD_DAYS) == 0);
    assert_true(ask(fixture, OLD_HOURS) == 0);
    assert_true(ask(fixture, "SELECT count(*) FROM uniques WHERE day < 20000") == 0);
    assert_true(ask(fixture, DAYS_KEPT) == 6);
}

/* after a long time without visits, days with visits prove the clock */
static void test_old_history_goes_after_a_long_pause(void **state)
{
    struct fixture *fixture = open_with_history(state);

    for (uint64_t day = 0; day < 3; day++) {
        assert_true(ask(fixture, DAYS_KEPT) == 5);
        set_clocks(WALL_MS + FAR_MS + day * DAY_MS + (monotonic_ms - MONO_MS));
        close_store(fixture);
        open_store(fixture);
        visit_now(fixture);
        pass(AN_HOUR);
        visit_now(fixture);
    }
    assert_true(ask(fixture, DAYS_KEPT) == 0);
    assert_true(ask(fixture, "SELECT count(*) FROM day") == 6);
}

/* with a normal clock no history is kept too long */
static void test_history_goes_day_by_day(void **state)
{
    struct fixture *fixture = open_with_history(state);

    for (int day = 0; day < 500; day++) {
        visit_now(fixture);
        pass(DAY_MS);
    }
    assert_true(ask(fixture, DAYS_KEPT) == 0);
    assert_in_range(ask(fixture, "SELECT count(DISTINCT day) FROM day"), 400, 402);
}

/* visitors and salts are deleted even before the clock is proven */
static void test_visitors_and_salts_go_by_the_clock(void **state)
{
    struct fixture *fixture = open_with_history(state);

    change(fixture, "INSERT INTO visitor VALUES (20600, 1, 77);"
                    "INSERT INTO salt VALUES (20600, 'x', 1780143200)");
    set_clocks(WALL_MS + 5 * DAY_MS);
    visit_now(fixture);
    assert_true(ask(fixture, "SELECT count(*) FROM visitor") == 0);
    assert_true(ask(fixture, "SELECT count(*) FROM salt") == 0);
    assert_true(ask(fixture, OLD_DAYS) == 2);
}

/* guards: a salt of a day 500 days ahead would have been kept for 500 days */
static void test_what_a_clock_left_in_the_future_goes(void **state)
{
    struct fixture *fixture = open_with_history(state);

    change(fixture, "INSERT INTO visitor VALUES (21100, 1, 77), (20600, 1, 78);"
                    "INSERT INTO salt VALUES (21100, 'x', 1823343200), (20601, 'y', 1823343200);"
                    "INSERT INTO seen VALUES ('default', 3600, x'61', 1823000000, 1823010800)");
    visit_now(fixture);
    pass(AN_HOUR);
    visit_now(fixture);
    assert_true(ask(fixture, "SELECT count(*) FROM visitor") == 1);
    assert_true(ask(fixture, "SELECT min(day) = 20601 AND count(*) = 1 FROM salt"));
    assert_true(ask(fixture, "SELECT count(*) FROM seen") == 0);
}

/* guards: the epochs of other instances were forgotten, so their resends counted twice */
static void test_a_clock_that_is_ahead_forgets_no_epoch(void **state)
{
    struct fixture *fixture = open_with_history(state);

    apply_page(fixture, EPOCH_A, 1, "/", 1);
    set_clocks(WALL_MS + FAR_MS);
    apply_page(fixture, EPOCH_B, 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 1);
    close_store(fixture);
    open_store(fixture); /* with that clock from the start */
    apply_page(fixture, "00000000000000000000000000000000", 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 1);
}

/* guards: an entry that was used while the clock was behind looked as old as that clock */
static void test_a_clock_that_was_behind_forgets_no_epoch(void **state)
{
    struct fixture *fixture = open_with_history(state);

    close_store(fixture);
    set_clocks(DAY_MS);
    open_store(fixture);
    apply_page(fixture, EPOCH_A, 1, "/", 1);
    set_clocks(WALL_MS);
    apply_page(fixture, EPOCH_B, 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 1);
    pass(AN_HOUR);
    apply_page(fixture, "00000000000000000000000000000000", 1, "/", 1);
    assert_true(ledger_of(fixture, EPOCH_A) == 1);
}

/* guards: with a jump between two attempts of one request, both were counted */
static void test_a_clock_that_is_ahead_forgets_no_token(void **state)
{
    struct fixture *fixture = open_with_history(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);

    batch.tokens = &token;
    batch.token_count = 1;
    assert_false(apply_batch(fixture, &batch).duplicates[0]);
    set_clocks(WALL_MS + FAR_MS);
    apply_page(fixture, EPOCH_B, 1, "/", 1);
    set_clocks(WALL_MS);
    batch.sequence = 2;
    batch.follows = 1;
    assert_true(apply_batch(fixture, &batch).duplicates[0]);
}

static void on_edited(void *data, const struct store_edited *edited)
{
    struct answer *answer = data;

    answer->calls++;
    answer->outcome = edited->outcome;
    loop_stop(answer->fixture->loop);
}

static enum store_outcome edit_page(struct fixture *fixture, const struct store_edit *edit)
{
    struct answer answer = {.fixture = fixture};

    store_edit(fixture->store, edit, on_edited, &answer);
    run_loop(fixture);
    assert_int_equal(answer.calls, 1);
    return answer.outcome;
}

/* guards: an edit read each hour between the first and the last one */
static void test_an_edit_does_not_walk_through_gaps(void **state)
{
    struct fixture *fixture = open_with_history(state);
    struct store_edit edit = {.kind = STORE_RENAME,
                              .site = "default",
                              .page = "/",
                              .page_length = 1,
                              .to = "/b",
                              .to_length = 2};

    change(fixture, "INSERT INTO day VALUES (9000000000000000, 1, 1);"
                    "INSERT INTO hour VALUES (9000000000000000, 1, 1)");
    assert_int_equal(edit_page(fixture, &edit), STORE_OK);
    assert_true(ask(fixture, "SELECT count(*) FROM day JOIN hits ON page_id = id"
                             " WHERE page = '/b'") == 8);
    assert_true(ask(fixture, "SELECT count(*) FROM hour JOIN hits ON page_id = id"
                             " WHERE page = '/b'") == 3);
}

#define TEST(test)                                      \
    {                                                   \
#test, test, setup_sqlite, teardown_clock, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_clock_that_is_ahead_for_a_visit_deletes_no_history),
        TEST(test_a_clock_that_stays_ahead_deletes_no_history),
        TEST(test_a_clock_that_is_ahead_at_the_start_deletes_no_history),
        TEST(test_old_history_goes_after_an_hour),
        TEST(test_old_history_goes_after_a_long_pause),
        TEST(test_history_goes_day_by_day),
        TEST(test_visitors_and_salts_go_by_the_clock),
        TEST(test_what_a_clock_left_in_the_future_goes),
        TEST(test_a_clock_that_is_ahead_forgets_no_epoch),
        TEST(test_a_clock_that_was_behind_forgets_no_epoch),
        TEST(test_a_clock_that_is_ahead_forgets_no_token),
        TEST(test_an_edit_does_not_walk_through_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
