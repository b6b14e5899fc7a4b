/* SPDX-License-Identifier: MIT */
/* What can go wrong while the engine resends to a store. */
#include "engine_fixture.h"

static void test_what_is_resent_is_sent_until_the_store_has_it(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REFUSED, FAKE_REPLY_LOST, FAKE_REQUEST_LOST,
                                          FAKE_LATE};
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 4, 0));
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    set_limits(fixture, 60000, MAX_WAITING);
    for (size_t i = 0; i < 4; i++) {
        turn(fixture);
        assert_sent(fixture, i + 1, "/", i + 1);
        end(fixture, rows[i]);
        wait_for_resend(fixture);
        resend(fixture, i + 1, i, i + 1);
    }
    while (fake_store_late_count(fixture->store) != 0) {
        fake_store_execute_late(fixture->store);
    }
    assert_int_equal(total(fixture), 10);
    assert_int_equal(engine_stats(fixture->engine)->resent_visits, 10);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 1);
    if (fake_store_open_count(fixture->store) != 0) {
        end(fixture, FAKE_DONE);
    }
}

static void test_the_store_goes_back_again_while_it_is_resent_to(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *one = count_batches(fixture, 5, 1);
    struct fake_database *again = fake_database_copy(one);

    go_back(fixture, one);
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    resend(fixture, 2, 1, 2);
    resend(fixture, 3, 2, 3);
    fake_store_go_away(fixture->store, FAKE_REPLY_LOST); /* batch 4 is in flight */
    go_back(fixture, again);
    fake_store_come_back(fixture->store);
    turn(fixture);
    end_check(fixture, FAKE_DONE);
    for (uint64_t sequence = 2; sequence <= 5; sequence++) {
        resend(fixture, sequence, sequence - 1, sequence);
    }
    assert_int_equal(total(fixture), 15);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 2);
    assert_true(engine_is_idle(fixture->engine));
}

/* guards: the store is further ahead than the last time, and already has the batches to resend */
static void test_the_store_comes_back_further_than_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *one = count_batches(fixture, 5, 1);
    struct fake_database *all = fake_database_copy(fixture->database);

    go_back(fixture, one);
    restart_store(fixture, FAKE_REQUEST_LOST);
    end_check(fixture, FAKE_DONE);
    resend(fixture, 2, 1, 2);
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    go_back(fixture, all);
    fake_store_come_back(fixture->store);
    turn(fixture);
    end_check(fixture, FAKE_DONE);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(total(fixture), 15);
    count_one(fixture, "/", 16);
}

/*
 * The answer to a resend is lost. The store reports that it has the batch, so it counts as resent.
 */
static void test_what_arrived_without_an_answer_is_resent(void **state)
{
    static const struct {
        enum fake_fate fate;
        uint64_t missing; /* the batch that is sent next: 2 or 3 */
    } rows[] = {{FAKE_REPLY_LOST, 3}, {FAKE_REQUEST_LOST, 2}};
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 3, 1));
    for (size_t i = 0; i < 2; i++) {
        struct fake_database *one = fake_database_copy(fixture->database);

        restart_store(fixture, FAKE_REQUEST_LOST);
        end_check(fixture, FAKE_DONE);
        assert_sent(fixture, 2, "/", 2);
        restart_store(fixture, rows[i].fate);
        end_check(fixture, FAKE_DONE);
        for (uint64_t sequence = rows[i].missing; sequence <= 3; sequence++) {
            resend(fixture, sequence, sequence - 1, sequence);
        }
        assert_int_equal(total(fixture), 6);
        assert_int_equal(engine_stats(fixture->engine)->resent_visits, 5 * (i + 1));
        go_back(fixture, one);
    }
}

/* guards: during a long outage the engine dropped batches that a crash at its beginning had lost */
static void test_an_outage_does_not_count_as_time_to_forget(void **state)
{
    struct fixture *fixture = *state;

    go_back(fixture, count_batches(fixture, 2, 1));
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, 3 * RETAIN_MS);
    fake_store_come_back(fixture->store);
    advance(fixture, 2000); /* nor does the time until the check is answered */
    end_check(fixture, FAKE_DONE);
    resend(fixture, 2, 1, 2);
    assert_int_equal(total(fixture), 3);
    assert_int_equal(engine_stats(fixture->engine)->lost, 0);
}

/* a store that lost it once may lose it again */
static void test_what_was_resent_is_kept_as_long_as_what_is_new(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        if (i == 0) {
            count_one(fixture, "/", 1);
        } else {
            visit(fixture, "/");
            turn(fixture);
            end(fixture, FAKE_DONE); /* a gap */
            turn(fixture);
            resend(fixture, 1, 0, 1);
            for (uint64_t sequence = 2; sequence <= (uint64_t)i + 1; sequence++) {
                resend(fixture, sequence, sequence - 1, 1);
            }
        }
        advance(fixture, RETAIN_MS * 2 / 3);
        go_back(fixture, fake_database_create());
    }
    assert_int_equal(engine_stats(fixture->engine)->lost, 0);
}

static void test_destroy_and_abandon_while_it_resends(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 6; i++) {
        struct fake_database *before = fake_database_copy(fixture->database);

        visit(fixture, "/");
        turn(fixture);
        end(fixture, FAKE_DONE);
        go_back(fixture, before);
        restart_store(fixture, FAKE_REQUEST_LOST);
        if (i >= 2) {
            end_check(fixture, FAKE_DONE);
        }
        if (i >= 4) { /* sent but not answered */
            end(fixture, FAKE_REPLY_LOST);
        }
        visit(fixture, "/");
        if (i % 2 == 0) {
            engine_abandon(fixture->engine);
        }
        engine_destroy(fixture->engine);
        assert_uncounted(fixture, fixture->count - 1, VISIT_REFUSED);
        fake_store_end_all(fixture->store, FAKE_DONE); /* answers to an engine that is gone */
        turn(fixture);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        fixture->engine = engine_create(fixture->loop, &fixture->store->store, &default_options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_resent_is_sent_until_the_store_has_it),
        TEST(test_the_store_goes_back_again_while_it_is_resent_to),
        TEST(test_the_store_comes_back_further_than_it_was),
        TEST(test_what_arrived_without_an_answer_is_resent),
        TEST(test_an_outage_does_not_count_as_time_to_forget),
        TEST(test_what_was_resent_is_kept_as_long_as_what_is_new),
        TEST(test_destroy_and_abandon_while_it_resends),
    };

    return cmocka_run_group_tests_name("engine_relapse", tests, NULL, NULL);
}
