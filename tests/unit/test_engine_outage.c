/* SPDX-License-Identifier: MIT */
/* What the engine does while the store is away, or takes nothing. */
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
    second = visit(fixture, "/"); /* waits for the rest of the store's time, not for all of its */
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
        if (i != 0) { /* what was answered before may be missing now: this is asked first */
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
    advance(fixture, LAST_RETRY_MS); /* no timer is left that would send something again */
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

/* --- the store is there, but takes nothing --- */

/* refuses all batches for `ms` */
static void refuse_for(struct fixture *fixture, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 5) {
        fake_store_end_all(fixture->store, FAKE_REFUSED);
        advance(fixture, 5);
    }
    fake_store_end_all(fixture->store, FAKE_REFUSED);
}

/* one visit after the other, each let through alone, until one is sent; returns its index */
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
    refuse_for(fixture, MAX_WAIT_MS + 2 * EXPIRE_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = probe(fixture);
    refuse_for(fixture, MAX_WAIT_MS + 2 * EXPIRE_MS);
    assert_uncounted(fixture, i, VISIT_REFUSED);
    i = probe(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    visit(fixture, "/"); /* the way is free for all */
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
    };

    return cmocka_run_group_tests_name("engine_outage", tests, NULL, NULL);
}
