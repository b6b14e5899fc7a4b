/* SPDX-License-Identifier: MIT */
/* Visits that may arrive again: their answers, and those of other visits. */
#include "engine_fixture.h"

static size_t visit_key(struct fixture *fixture, const char *token)
{
    return visit_with(fixture, "/", token, STORE_WINDOW_CLIENT);
}

static void send_and_end(struct fixture *fixture)
{
    turn(fixture);
    end(fixture, FAKE_DONE);
}

static void test_a_repetition_is_told_the_pages_number(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    size_t first = visit_key(fixture, "key");
    size_t again;

    send_and_end(fixture);
    assert_counted(fixture, first, 1);
    count_one(fixture, "/", 2);
    again = visit_key(fixture, "key");
    send_and_end(fixture);
    assert_duplicate(fixture, again, 2);
    assert_int_equal(total(fixture), 2);
    assert_int_equal(stats->applied, 2);
    assert_int_equal(stats->duplicate_visits, 1);
    assert_int_equal(stats->accepted, 3);
    assert_int_equal(stats->waiting, 0);
    assert_int_equal(stats->latency_count, 3);
}

/* both attempts of a request arrive at once; the second joins the same batch or the next one */
static void test_attempts_that_meet(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit_key(fixture, "key");
    size_t same = visit_key(fixture, "key");
    size_t next;

    turn(fixture);
    next = visit_key(fixture, "key");
    end(fixture, FAKE_DONE);
    send_and_end(fixture);
    assert_counted(fixture, first, 1);
    assert_duplicate(fixture, same, 1);
    assert_duplicate(fixture, next, 1);
    assert_int_equal(total(fixture), 1);
}

static void test_numbers_around_repetitions(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        char key[16];

        snprintf(key, sizeof(key), "key-%d", i);
        visit_key(fixture, key);
    }
    visit_with(fixture, "/other", "key-9", STORE_WINDOW_CLIENT);
    send_and_end(fixture);
    visit(fixture, "/");                                         /* 4 */
    visit_key(fixture, "key-1");                                 /* duplicate */
    visit(fixture, "/other");                                    /* 2 */
    visit_key(fixture, "new");                                   /* 5 */
    visit_key(fixture, "key-2");                                 /* duplicate */
    visit_key(fixture, "key-9");                                 /* 6: it was of another page */
    visit(fixture, "/");                                         /* 7 */
    visit_with(fixture, "/", "key-1", STORE_WINDOW_ATTEMPT);     /* 8: not the same kind */
    visit_with(fixture, "/other", "key-9", STORE_WINDOW_CLIENT); /* duplicate */
    send_and_end(fixture);
    assert_counted(fixture, 4, 4);
    assert_duplicate(fixture, 5, 8);
    assert_counted(fixture, 6, 2);
    assert_counted(fixture, 7, 5);
    assert_duplicate(fixture, 8, 8);
    assert_counted(fixture, 9, 6);
    assert_counted(fixture, 10, 7);
    assert_counted(fixture, 11, 8);
    assert_duplicate(fixture, 12, 2);
    assert_int_equal(total(fixture), 8);
    assert_int_equal(engine_stats(fixture->engine)->duplicate_visits, 3);
}

/* after a lost reply, the answer is that of the first attempt, also for its tokens */
static void test_a_duplicate_repeats_its_repetitions(void **state)
{
    struct fixture *fixture = *state;

    visit_key(fixture, "seen");
    send_and_end(fixture);
    visit_key(fixture, "seen");
    visit_key(fixture, "new");
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    wait_for_resend(fixture);
    assert_int_equal(sent(fixture)->batch.token_count, 2);
    end(fixture, FAKE_DONE);
    assert_duplicate(fixture, 1, 3);
    assert_counted(fixture, 2, 2); /* not a repetition of itself */
    assert_counted(fixture, 3, 3);
    assert_int_equal(total(fixture), 3);
    assert_int_equal(engine_stats(fixture->engine)->duplicate_batches, 1);
}

/* a client that asks again while its first visit is in doubt */
static void test_a_repetition_of_a_visit_in_doubt(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST, FAKE_LATE};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 3; i++) {
        char key[16];
        size_t first;
        size_t again;

        snprintf(key, sizeof(key), "key-%zu", i);
        first = visit_key(fixture, key);
        turn(fixture);
        end(fixture, rows[i]);
        again = visit_key(fixture, key);
        wait_for_resend(fixture);
        end(fixture, FAKE_DONE);
        send_and_end(fixture);
        assert_counted(fixture, first, i + 1);
        assert_duplicate(fixture, again, i + 1);
    }
    fake_store_execute_late(fixture->store);
    assert_int_equal(total(fixture), 3);
}

/*
 * A visit was answered as unknown and is repeated. It counts once, with or without the first batch.
 */
static void test_a_visit_that_left_in_doubt_comes_back(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 2; i++) {
        char key[16];
        size_t gone;
        size_t again;

        snprintf(key, sizeof(key), "key-%zu", i);
        gone = visit_key(fixture, key);
        turn(fixture);
        advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
        assert_uncounted(fixture, gone, VISIT_UNKNOWN);
        end(fixture, rows[i]);
        again = visit_key(fixture, key);
        wait_for_resend(fixture);
        end(fixture, FAKE_DONE);
        send_and_end(fixture);
        assert_duplicate(fixture, again, i + 1);
        assert_int_equal(total(fixture), i + 1);
    }
}

/*
 * Guards: a visit was answered "unknown", and then its batch was certainly refused. The batch was
 * sent again without the visit's token. If the visitor had come back meanwhile, it counted twice.
 */
static void test_a_visit_that_left_before_the_refusal_comes_back(void **state)
{
    struct fixture *fixture = *state;
    size_t gone = visit_key(fixture, "key");
    size_t again;

    turn(fixture);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    assert_uncounted(fixture, gone, VISIT_UNKNOWN);
    end(fixture, FAKE_REFUSED);
    assert_true(engine_is_idle(fixture->engine)); /* no visit waits for it any more */
    again = visit_key(fixture, "key");
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, again, 1);
    assert_int_equal(total(fixture), 1);
}

/* it was not counted, so it must count when it comes back */
static void test_a_visit_that_was_refused_comes_back(void **state)
{
    struct fixture *fixture = *state;
    size_t gone = visit_key(fixture, "key");
    size_t again;

    turn(fixture);
    while (!fixture->visits[gone].is_answered) {
        fake_store_end_all(fixture->store, FAKE_REFUSED);
        advance(fixture, 5);
    }
    assert_uncounted(fixture, gone, VISIT_REFUSED);
    again = visit_key(fixture, "key");
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, again, 1);
}

static void test_another_instance_takes_the_second_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct fake_store *other_store = fake_store_create(fixture->database, true);
    struct engine *other = engine_create(fixture->loop, &other_store->store, &default_options);
    struct engine *first = fixture->engine;
    size_t attempt = visit_with(fixture, "/", "request", STORE_WINDOW_ATTEMPT);
    size_t again;

    turn(fixture);
    fixture->engine = other;
    again = visit_with(fixture, "/", "request", STORE_WINDOW_ATTEMPT);
    turn(fixture);
    fake_store_end_all(other_store, FAKE_DONE);
    assert_counted(fixture, again, 1); /* it was quicker */
    fixture->engine = first;
    end(fixture, FAKE_DONE);
    assert_duplicate(fixture, attempt, 1);
    assert_int_equal(total(fixture), 1);
    engine_destroy(other);
    store_destroy(&other_store->store);
}

static void test_a_batch_has_a_bounded_number_of_tokens(void **state)
{
    struct fixture *fixture = *state;
    char key[16];

    set_limits(fixture, MAX_WAIT_MS, VISITS_MAX);
    for (size_t i = 0; i < BATCH_TOKENS_MAX + 10; i++) {
        snprintf(key, sizeof(key), "key-%zu", i);
        visit_key(fixture, key);
    }
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.token_count, BATCH_TOKENS_MAX);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.token_count, 10);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < fixture->count; i++) {
        assert_counted(fixture, i, i + 1);
    }
}

/* the time of its batch decides which bucket a token is compared with */
static void test_the_time_of_tokens(void **state)
{
    struct fixture *fixture = *state;

    visit_with(fixture, "/", "id", STORE_WINDOW_ATTEMPT);
    send_and_end(fixture);
    assert_counted(fixture, 0, 1);
    advance(fixture, 15000);
    visit_with(fixture, "/", "id", STORE_WINDOW_ATTEMPT);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.second, WALL_MS / 1000 + 15);
    end(fixture, FAKE_DONE);
    assert_duplicate(fixture, 1, 1);
    advance(fixture, 15000);
    visit_with(fixture, "/", "id", STORE_WINDOW_ATTEMPT);
    send_and_end(fixture);
    assert_counted(fixture, 2, 2);
}

static void test_the_longest_token(void **state)
{
    struct fixture *fixture = *state;
    struct test_visit *own = &fixture->visits[0];

    memset(own->token, 't', STORE_TOKEN_MAX);
    own->visit.token = own->token;
    own->visit.token_length = STORE_TOKEN_MAX;
    own->visit.token_window = STORE_WINDOW_CLIENT;
    visit(fixture, "/");
    send_and_end(fixture);
    assert_counted(fixture, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_repetition_is_told_the_pages_number),
        TEST(test_attempts_that_meet),
        TEST(test_numbers_around_repetitions),
        TEST(test_a_duplicate_repeats_its_repetitions),
        TEST(test_a_repetition_of_a_visit_in_doubt),
        TEST(test_a_visit_that_left_in_doubt_comes_back),
        TEST(test_a_visit_that_left_before_the_refusal_comes_back),
        TEST(test_a_visit_that_was_refused_comes_back),
        TEST(test_another_instance_takes_the_second_attempt),
        TEST(test_a_batch_has_a_bounded_number_of_tokens),
        TEST(test_the_time_of_tokens),
        TEST(test_the_longest_token),
    };

    return cmocka_run_group_tests_name("engine_tokens", tests, NULL, NULL);
}
