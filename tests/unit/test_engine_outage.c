/* SPDX-License-Identifier: MIT */
/* What the engine does while the store is away or refuses all batches. */
#include "engine_fixture.h"

/* --- the store is away --- */

static void test_visits_wait_for_a_store_that_is_away_at_the_start(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    advance(fixture, MAX_WAIT_MS - EXPIRE_MS);
    assert_waiting(fixture, i);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    fake_store_come_back(fixture->store);
    loop_turn(fixture->loop, 1);
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
}

static void test_a_long_outage_refuses_at_once(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit(fixture, "/");
    size_t second;

    advance(fixture, MAX_WAIT_MS / 2);
    second = visit(fixture, "/"); /* waits only until the first one times out */
    advance(fixture, MAX_WAIT_MS / 2 + EXPIRE_MS);
    assert_uncounted(fixture, first, VISIT_REFUSED);
    assert_uncounted(fixture, second, VISIT_REFUSED);
    assert_int_equal(try_visit(fixture, "default", "/"), -EHOSTDOWN);
    assert_int_equal(try_visit(fixture, "another", "/"), -EHOSTDOWN);
    assert_true(engine_is_idle(fixture->engine));
    assert_int_equal(engine_stats(fixture->engine)->refused, 4);
    assert_int_equal(fixture->store->apply_count, 0);
    fake_store_come_back(fixture->store);
    count_one(fixture, "/", 1);
}

static void test_an_outage_leaves_a_batch_in_doubt(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST, FAKE_LATE};
    struct fixture *fixture = *state;

    for (uint64_t i = 0; i < 3; i++) {
        size_t doubtful = visit(fixture, "/");
        size_t gathered;

        turn(fixture);
        gathered = visit(fixture, "/");
        fake_store_go_away(fixture->store, rows[i]);
        advance(fixture, MAX_WAIT_MS / 2);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        fake_store_come_back(fixture->store);
        loop_turn(fixture->loop, 2);
        if (i != 0) { /* answered batches may be missing now, so a check comes first */
            end_check(fixture, FAKE_DONE);
        }
        assert_sent(fixture, 2 * i + 1, "/", 1);
        end(fixture, FAKE_DONE);
        turn(fixture);
        assert_sent(fixture, 2 * i + 2, "/", 1);
        end(fixture, FAKE_DONE);
        assert_counted(fixture, doubtful, 2 * i + 1);
        assert_counted(fixture, gathered, 2 * i + 2);
    }
    fake_store_execute_late(fixture->store);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 6);
}

static void test_patience_in_an_outage(void **state)
{
    struct fixture *fixture = *state;
    size_t doubtful = visit(fixture, "/");
    size_t gathered;

    turn(fixture);
    gathered = visit(fixture, "/");
    fake_store_go_away(fixture->store, FAKE_REPLY_LOST);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    assert_uncounted(fixture, doubtful, VISIT_UNKNOWN);
    assert_uncounted(fixture, gathered, VISIT_REFUSED);
    advance(fixture, 100 * MAX_WAIT_MS);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    fake_store_come_back(fixture->store);
    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 1);
    count_one(fixture, "/", 2);
}

static void test_a_store_that_comes_and_goes(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    for (int round = 0; round < 5; round++) {
        turn(fixture);
        assert_sent(fixture, 1, "/", 1);
        fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
        turn(fixture);
        fake_store_come_back(fixture->store);
    }
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    advance(fixture, LAST_RETRY_MS); /* no timer is left that sends a batch again */
    assert_int_equal(fake_store_open_count(fixture->store), 0);
}

static void test_refused_before_the_store_went_away(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    turn(fixture);
    end(fixture, FAKE_REFUSED);
    fake_store_go_away(fixture->store, FAKE_REFUSED);
    advance(fixture, MAX_WAIT_MS / 2); /* the timer of the retry expires in this time */
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    fake_store_come_back(fixture->store);
    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
}

/* --- the store is there, but refuses all batches --- */

/* ends all calls with `fate` for `ms` */
static void end_all_for(struct fixture *fixture, enum fake_fate fate, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        fake_store_end_all(fixture->store, fate);
        advance(fixture, 5);
    }
    fake_store_end_all(fixture->store, fate);
}

/* refuses all batches for `ms` */
static void refuse_for(struct fixture *fixture, uint64_t ms)
{
    end_all_for(fixture, FAKE_REFUSED, ms);
}

/* makes one visit after the other until one is sent; returns its index */
static size_t probe(struct fixture *fixture)
{
    size_t i = visit(fixture, "/");

    for (uint64_t ms = 0; ms < LAST_RETRY_MS && fake_store_open_count(fixture->store) == 0;
         ms += 5) {
        assert_int_equal(try_visit(fixture, "default", "/"), -EHOSTDOWN);
        assert_int_equal(try_visit(fixture, "another", "/"), -EHOSTDOWN);
        advance(fixture, 5);
        if (fixture->visits[i].is_answered) {
            i = visit(fixture, "/");
        }
    }
    assert_sent(fixture, 1, "/", 1);
    return i;
}

static void test_a_failing_store_is_tried_with_one_visit_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    turn(fixture);
    end_all_for(fixture, FAKE_REFUSED_ALL, MAX_WAIT_MS + 2 * EXPIRE_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = probe(fixture);
    end_all_for(fixture, FAKE_REFUSED_ALL, MAX_WAIT_MS + 2 * EXPIRE_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = probe(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    visit(fixture, "/"); /* all visits may pass now */
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, fixture->count - 1, 3);
}

static void test_a_short_failure_refuses_nobody(void **state)
{
    struct fixture *fixture = *state;

    set_limits(fixture, 5000, MAX_WAITING);
    visit(fixture, "/");
    turn(fixture);
    for (uint64_t ms = 0; ms < 300; ms += 5) {
        fake_store_end_all(fixture->store, FAKE_REFUSED);
        advance(fixture, 5);
        visit(fixture, "/");
    }
    if (fake_store_open_count(fixture->store) == 0) {
        wait_for_resend(fixture);
    }
    end(fixture, FAKE_DONE);
    turn(fixture);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_counted(fixture, i, i + 1);
    }
}

/* --- the log --- */

#define PATIENCE_MS 600000

/* refuses all batches for `ms`; returns what was logged meanwhile */
static const char *log_of_refusals(struct fixture *fixture, uint64_t ms)
{
    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    refuse_for(fixture, ms);
    log_set_level(LOG_LEVEL_ERROR);
    return log_capture_end();
}

/* applies all batches for as long as a retry may take; returns what was logged meanwhile */
static const char *log_of_recovery(struct fixture *fixture)
{
    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    for (uint64_t ms = 0; ms < LAST_RETRY_MS; ms += 5) {
        fake_store_end_all(fixture->store, FAKE_DONE);
        advance(fixture, 5);
    }
    log_set_level(LOG_LEVEL_ERROR);
    return log_capture_end();
}

static void test_a_failing_store_is_warned_of_once_a_minute(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;
    const char *log;

    set_limits(fixture, PATIENCE_MS, MAX_WAITING);
    assert_false(engine_longest_stall(fixture->engine, &stall));
    visit(fixture, "/");
    visit(fixture, "/");
    turn(fixture);
    assert_string_equal(log_of_refusals(fixture, 950), "");
    log = log_of_refusals(fixture, LAST_RETRY_MS);
    assert_int_equal(count_in_text(log, "\n"), 1);
    assert_non_null(strstr(log, "warning store: site default: takes no batches for "));
    assert_non_null(strstr(log, "s: not now; trying again, 2 visits wait, 0 are in the journal\n"));
    assert_true(engine_longest_stall(fixture->engine, &stall));
    assert_string_equal(stall.site, "default");
    assert_string_equal(stall.reason, "not now");
    assert_in_range(stall.lasted_ms, 950 + LAST_RETRY_MS - 50, 950 + LAST_RETRY_MS + 50);
    assert_string_equal(log_of_refusals(fixture, 60000 - 2 * LAST_RETRY_MS), "");
    log = log_of_refusals(fixture, 3 * LAST_RETRY_MS);
    assert_int_equal(count_in_text(log, "warning store: site default: takes no batches for 6"), 1);
    assert_int_equal(count_in_text(log, "\n"), 1);
    log = log_of_recovery(fixture);
    assert_int_equal(count_in_text(log, "info    store: site default: takes batches again, after "),
                     1);
    assert_int_equal(count_in_text(log, "\n"), 1);
    assert_false(engine_longest_stall(fixture->engine, &stall));
}

static void test_nothing_is_said_of_a_short_failure(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;

    visit(fixture, "/");
    turn(fixture);
    assert_string_equal(log_of_refusals(fixture, 500), "");
    assert_true(engine_longest_stall(fixture->engine, &stall));
    assert_string_equal(log_of_recovery(fixture), "");
    assert_false(engine_longest_stall(fixture->engine, &stall));
}

/* Its visits were refused. No further visits test whether the store still refuses. */
static void test_a_failure_is_known_for_a_minute(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;

    visit(fixture, "/");
    turn(fixture);
    log_of_refusals(fixture, 2 * MAX_WAIT_MS);
    log_capture_begin();
    advance(fixture, 55000);
    assert_true(engine_longest_stall(fixture->engine, &stall));
    advance(fixture, 10000);
    assert_false(engine_longest_stall(fixture->engine, &stall));
    assert_string_equal(log_capture_end(), "");
}

/* guards: the accepted visits of one site hid that another site's visits were refused */
static void test_one_site_that_is_not_taken_is_warned_of(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;
    const char *log;

    set_limits(fixture, PATIENCE_MS, MAX_WAITING);
    visit_site(fixture, "broken", "/");
    log_set_level(LOG_LEVEL_INFO);
    log_capture_begin();
    for (uint64_t ms = 0; ms < 2 * LAST_RETRY_MS; ms += 5) {
        struct fake_call *call = fake_store_call_of(fixture->store, "broken");

        if (call != NULL) {
            fake_store_end(fixture->store, call, FAKE_REFUSED);
        }
        fake_store_end_all(fixture->store, FAKE_DONE);
        visit_site(fixture, "sound", "/");
        advance(fixture, 20);
    }
    log = log_capture_end();
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(count_in_text(log, "warning store: site broken: takes no batches for "), 1);
    assert_int_equal(count_in_text(log, "\n"), 1);
    assert_true(engine_longest_stall(fixture->engine, &stall));
    assert_string_equal(stall.site, "broken");
    log_of_recovery(fixture);
}

static void test_sites_that_are_not_taken_are_warned_of_in_turn(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    set_limits(fixture, PATIENCE_MS, MAX_WAITING);
    visit_site(fixture, "one", "/");
    visit_site(fixture, "two", "/");
    turn(fixture);
    log = log_of_refusals(fixture, 120000 + 3 * LAST_RETRY_MS);
    assert_int_equal(count_in_text(log, "\n"), 3);
    assert_int_equal(count_in_text(log, "site one: takes no batches"), 2);
    assert_int_equal(count_in_text(log, "site two: takes no batches"), 1);
    log = log_of_recovery(fixture);
    assert_int_equal(count_in_text(log, "site one: takes batches again"), 1);
    assert_int_equal(count_in_text(log, "site two: takes batches again"), 1);
}

/* the loss of the connection is logged elsewhere */
static void test_a_store_that_is_away_is_not_said_to_take_no_batches(void **state)
{
    struct fixture *fixture = *state;
    struct engine_stall stall;

    set_limits(fixture, PATIENCE_MS, MAX_WAITING);
    visit(fixture, "/");
    turn(fixture);
    fake_store_go_away(fixture->store, FAKE_REFUSED);
    assert_string_equal(log_of_refusals(fixture, 120000), "");
    assert_false(engine_longest_stall(fixture->engine, &stall));
    fake_store_come_back(fixture->store);
    assert_string_equal(log_of_refusals(fixture, 500), ""); /* the time starts when it is back */
    assert_string_equal(log_of_recovery(fixture), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AWAY(test_visits_wait_for_a_store_that_is_away_at_the_start),
        TEST_AWAY(test_a_long_outage_refuses_at_once),
        TEST(test_an_outage_leaves_a_batch_in_doubt),
        TEST(test_patience_in_an_outage),
        TEST(test_a_store_that_comes_and_goes),
        TEST(test_refused_before_the_store_went_away),
        TEST(test_a_failing_store_is_tried_with_one_visit_at_a_time),
        TEST(test_a_short_failure_refuses_nobody),
        TEST(test_a_failing_store_is_warned_of_once_a_minute),
        TEST(test_a_failure_is_known_for_a_minute),
        TEST(test_nothing_is_said_of_a_short_failure),
        TEST(test_one_site_that_is_not_taken_is_warned_of),
        TEST(test_sites_that_are_not_taken_are_warned_of_in_turn),
        TEST(test_a_store_that_is_away_is_not_said_to_take_no_batches),
    };

    return cmocka_run_group_tests_name("engine_outage", tests, NULL, NULL);
}
