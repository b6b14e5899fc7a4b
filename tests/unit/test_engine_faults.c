/* SPDX-License-Identifier: MIT */
/* What the engine does if the store refuses a batch or gives no answer. */
#include "engine_fixture.h"

/* --- refused --- */

static void test_a_refused_batch_is_sent_again(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");
    char epoch[STORE_EPOCH_LENGTH + 1];

    turn(fixture);
    strcpy(epoch, sent(fixture)->batch.epoch);
    end(fixture, FAKE_REFUSED);
    assert_waiting(fixture, i);
    turn(fixture);
    assert_int_equal(fake_store_open_count(fixture->store), 0); /* not at once */
    advance(fixture, FIRST_RETRY_MS);
    assert_sent(fixture, 1, "/", 1);
    assert_string_equal(sent(fixture)->batch.epoch, epoch);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    assert_int_equal(engine_stats(fixture->engine)->retried, 1);
    assert_int_equal(engine_stats(fixture->engine)->batches, 1);
}

static void test_who_lost_patience_is_not_in_what_is_sent_again(void **state)
{
    struct fixture *fixture = *state;
    size_t held = visit(fixture, "/held");
    size_t early;
    size_t gone;
    size_t late;

    turn(fixture);
    advance(fixture, 100);
    early = visit(fixture, "/");
    gone = visit(fixture, "/gone");
    advance(fixture, 800);
    late = visit(fixture, "/");
    end(fixture, FAKE_DONE);
    assert_counted(fixture, held, 1);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.entry_count, 2);
    assert_int_equal(fake_call_hits(sent(fixture), "/"), 2);
    end(fixture, FAKE_REFUSED);
    for (uint64_t ms = 0; ms < 200 + EXPIRE_MS; ms += 5) {
        advance(fixture, 5);
        if (!fixture->visits[early].is_answered && fake_store_open_count(fixture->store) != 0) {
            end(fixture, FAKE_REFUSED);
        }
    }
    assert_uncounted(fixture, early, VISIT_REFUSED);
    assert_uncounted(fixture, gone, VISIT_REFUSED);
    assert_waiting(fixture, late);
    if (fake_store_open_count(fixture->store) == 0) {
        wait_for_resend(fixture);
    }
    assert_sent(fixture, 2, "/", 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, late, 1);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 1);
    assert_int_equal(fake_database_total(fixture->database, "default", "/gone"), 0);
}

static void test_a_batch_that_all_left_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    turn(fixture);
    while (!fixture->visits[i].is_answered) {
        if (fake_store_open_count(fixture->store) != 0) {
            end(fixture, FAKE_REFUSED);
        }
        advance(fixture, 5);
    }
    assert_uncounted(fixture, i, VISIT_REFUSED);
    assert_true(engine_is_idle(fixture->engine));
    advance(fixture, LAST_RETRY_MS);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    i = visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 1, "/", 1); /* under the same number */
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
}

static void test_new_visits_follow_a_refused_batch(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REFUSED);
    visit(fixture, "/");
    visit(fixture, "/other");
    wait_for_resend(fixture);
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.sequence, 2);
    assert_int_equal(sent(fixture)->batch.entry_count, 2);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 0, 1);
    assert_counted(fixture, 1, 2);
    assert_counted(fixture, 2, 1);
}

/*
 * guards: the engine asked a store that refuses at once in every turn of the loop, without pauses
 */
static void test_attempts_keep_a_distance(void **state)
{
    struct fixture *fixture = *state;

    set_limits(fixture, 600000, MAX_WAITING);
    visit(fixture, "/");
    turn(fixture);
    for (uint64_t ms = 0; ms < 60000; ms += 5) {
        fake_store_end_all(fixture->store, FAKE_REFUSED);
        advance(fixture, 5);
    }
    /* delays of a quarter of a second on average in the first minute; draws vary */
    assert_in_range(fixture->store->apply_count, 180, 330);
    if (fake_store_open_count(fixture->store) == 0) {
        wait_for_resend(fixture);
    }
    end(fixture, FAKE_DONE);
    /* after a success the delay is short again */
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REFUSED);
    advance(fixture, FIRST_RETRY_MS);
    end(fixture, FAKE_DONE);
}

/* --- unknown --- */

/* different faults strike a batch before the store answers it */
static void test_a_batch_is_counted_once_whatever_happens(void **state)
{
    static const struct {
        enum fake_fate fates[4]; /* the last of them is FAKE_DONE */
        size_t count;
        bool is_duplicate; /* in the last answer */
    } rows[] = {
        {{FAKE_REPLY_LOST, FAKE_DONE}, 2, true},
        {{FAKE_REQUEST_LOST, FAKE_DONE}, 2, false},
        {{FAKE_LATE, FAKE_DONE}, 2, false},
        {{FAKE_REQUEST_LOST, FAKE_REPLY_LOST, FAKE_REPLY_LOST, FAKE_DONE}, 4, true},
        {{FAKE_REFUSED, FAKE_LATE, FAKE_REPLY_LOST, FAKE_DONE}, 4, true},
        {{FAKE_REPLY_LOST, FAKE_REFUSED, FAKE_DONE}, 3, true},
        {{FAKE_LATE, FAKE_REFUSED, FAKE_DONE}, 3, false},
    };
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);

    set_limits(fixture, 60000, MAX_WAITING);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t duplicates = stats->duplicate_batches;
        size_t first = visit(fixture, "/");
        size_t meanwhile = rows[i].count - 1;

        visit(fixture, "/");
        turn(fixture);
        for (size_t j = 0; j < meanwhile; j++) {
            assert_sent(fixture, 2 * i + 1, "/", 2);
            end(fixture, rows[i].fates[j]);
            visit(fixture, "/"); /* joins no batch that was sent */
            wait_for_resend(fixture);
        }
        assert_sent(fixture, 2 * i + 1, "/", 2);
        end(fixture, FAKE_DONE);
        assert_int_equal(stats->duplicate_batches - duplicates, rows[i].is_duplicate ? 1 : 0);
        while (fake_store_late_count(fixture->store) != 0) {
            fake_store_execute_late(fixture->store);
        }
        turn(fixture);
        assert_sent(fixture, 2 * i + 2, "/", meanwhile);
        end(fixture, FAKE_DONE);
        for (size_t j = first; j < fixture->count; j++) {
            assert_counted(fixture, j, j + 1);
        }
        assert_int_equal(fake_database_total(fixture->database, "default", "/"), fixture->count);
    }
}

/*
 * Guards the totals of a duplicate: they must be those of the time when the batch was applied.
 * Another instance may have changed the totals since.
 */
static void test_a_duplicate_has_the_numbers_of_its_time(void **state)
{
    struct fixture *fixture = *state;

    fake_database_set(fixture->database, "default", "/", 100);
    visit(fixture, "/");
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    fake_database_set(fixture->database, "default", "/", 500);
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 0, 101);
    assert_counted(fixture, 1, 102);
    count_one(fixture, "/", 501);
}

static void test_who_leaves_a_doubtful_batch_may_have_been_counted(void **state)
{
    struct fixture *fixture = *state;
    size_t held = visit(fixture, "/");
    size_t early;
    size_t late;

    turn(fixture);
    early = visit(fixture, "/");
    advance(fixture, 900);
    late = visit(fixture, "/");
    end(fixture, FAKE_DONE);
    assert_counted(fixture, held, 1);
    turn(fixture);
    assert_sent(fixture, 2, "/", 2);
    end(fixture, FAKE_REPLY_LOST);
    wait_for_resend(fixture);
    advance(fixture, 100 + EXPIRE_MS);
    assert_uncounted(fixture, early, VISIT_UNKNOWN);
    assert_waiting(fixture, late);
    end(fixture, FAKE_REFUSED);
    wait_for_resend(fixture);
    assert_sent(fixture, 2, "/", 2); /* unchanged: the first attempt may have succeeded, and did */
    end(fixture, FAKE_DONE);
    assert_counted(fixture, late, 3);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 3);
    assert_int_equal(engine_stats(fixture->engine)->unknown, 1);
}

static void test_a_doubtful_batch_that_all_left_is_still_settled(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 2; i++) {
        size_t gone = visit(fixture, "/");
        size_t next;

        turn(fixture);
        assert_sent(fixture, 2 * i + 1, "/", 1);
        end(fixture, rows[i]);
        while (!fixture->visits[gone].is_answered) {
            if (fake_store_open_count(fixture->store) != 0) {
                end(fixture, FAKE_REQUEST_LOST);
            }
            advance(fixture, 5);
        }
        assert_uncounted(fixture, gone, VISIT_UNKNOWN);
        assert_false(engine_is_idle(fixture->engine));
        if (fake_store_open_count(fixture->store) == 0) {
            wait_for_resend(fixture);
        }
        assert_sent(fixture, 2 * i + 1, "/", 1);
        next = visit(fixture, "/");
        end(fixture, FAKE_DONE);
        turn(fixture);
        assert_sent(fixture, 2 * i + 2, "/", 1);
        end(fixture, FAKE_DONE);
        assert_counted(fixture, next, 2 * i + 2);
        assert_true(engine_is_idle(fixture->engine));
    }
}

static void test_patience_ends_while_the_store_is_silent(void **state)
{
    struct fixture *fixture = *state;
    size_t sent_one = visit(fixture, "/");
    size_t gathered;

    turn(fixture);
    gathered = visit(fixture, "/");
    advance(fixture, MAX_WAIT_MS - EXPIRE_MS);
    assert_waiting(fixture, sent_one);
    advance(fixture, 2 * EXPIRE_MS);
    assert_uncounted(fixture, sent_one, VISIT_UNKNOWN);
    assert_uncounted(fixture, gathered, VISIT_REFUSED);
    end(fixture, FAKE_DONE); /* no visit waits for this answer */
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 1);
    count_one(fixture, "/", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_refused_batch_is_sent_again),
        TEST(test_who_lost_patience_is_not_in_what_is_sent_again),
        TEST(test_a_batch_that_all_left_is_not_sent),
        TEST(test_new_visits_follow_a_refused_batch),
        TEST(test_attempts_keep_a_distance),
        TEST(test_a_batch_is_counted_once_whatever_happens),
        TEST(test_a_duplicate_has_the_numbers_of_its_time),
        TEST(test_who_leaves_a_doubtful_batch_may_have_been_counted),
        TEST(test_a_doubtful_batch_that_all_left_is_still_settled),
        TEST(test_patience_ends_while_the_store_is_silent),
    };

    return cmocka_run_group_tests_name("engine_faults", tests, NULL, NULL);
}
