/* SPDX-License-Identifier: MIT */
/*
 * What the engine does if the store went back in time: it resends the batches that the store lost.
 */
#include "engine_fixture.h"

/* --- found out by a batch --- */

static void test_lost_batches_are_sent_again_before_new_ones(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);
    char epoch[STORE_EPOCH_LENGTH + 1];
    const char *log;
    size_t next;

    go_back(fixture, count_batches(fixture, 5, 2));
    assert_int_equal(total(fixture), 3);
    next = visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 6, "/", 1);
    assert_int_equal(sent(fixture)->batch.follows, 5);
    strcpy(epoch, sent(fixture)->batch.epoch);
    log = log_of_end(fixture);
    assert_non_null(strstr(log, "site default went back in time; sending 12 visits in 3 batches"));
    assert_int_equal(count_in_text(log, "\n"), 1);
    loop_turn(fixture->loop, 1); /* at once: it was not applied */
    assert_string_equal(sent(fixture)->batch.epoch, epoch);
    resend(fixture, 3, 2, 3);
    resend(fixture, 4, 3, 4);
    assert_waiting(fixture, next);
    resend(fixture, 5, 4, 5);
    resend(fixture, 6, 5, 1);
    assert_counted(fixture, next, 16);
    assert_int_equal(total(fixture), 16);
    assert_int_equal(stats->gaps, 1);
    assert_int_equal(stats->resent_visits, 12);
    assert_int_equal(stats->lost, 0);
    assert_int_equal(stats->batches, 6);
    assert_int_equal(stats->applied, 16);
    assert_true(engine_is_idle(fixture->engine));
    count_one(fixture, "/", 17);
}

static void test_visits_that_arrive_while_it_resends(void **state)
{
    struct fixture *fixture = *state;
    size_t first;

    go_back(fixture, count_batches(fixture, 3, 0));
    first = visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        turn(fixture);
        visit(fixture, "/");
        resend(fixture, sequence, sequence - 1, sequence);
    }
    /* The visit that found the gap left alone. The others joined the next batch. */
    assert_sent(fixture, 4, "/", 1);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_sent(fixture, 5, "/", 3);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < 4; i++) {
        assert_counted(fixture, first + i, 7 + i);
    }
}

/* Visits of the batch that met the gap may still time out. Then they are not counted. */
static void test_patience_ends_while_it_resends(void **state)
{
    struct fixture *fixture = *state;
    size_t gone;

    go_back(fixture, count_batches(fixture, 2, 1));
    gone = visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_sent(fixture, 2, "/", 2);
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    assert_uncounted(fixture, gone, VISIT_REFUSED);
    assert_false(engine_is_idle(fixture->engine));
    resend(fixture, 2, 1, 2);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(total(fixture), 3);
    assert_true(engine_is_idle(fixture->engine));
    count_one(fixture, "/", 4);
}

static void test_a_gap_settles_a_doubtful_batch(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST};
    struct fixture *fixture = *state;

    count_one(fixture, "/", 1);
    for (uint64_t i = 0; i < 2; i++) {
        struct fake_database *empty = fake_database_create();
        uint64_t before = total(fixture);

        visit(fixture, "/");
        visit(fixture, "/");
        turn(fixture);
        end(fixture, rows[i]);
        go_back(fixture, empty);
        wait_for_resend(fixture);
        assert_sent(fixture, i + 2, "/", 2);
        end(fixture, FAKE_DONE);
        turn(fixture);
        resend(fixture, 1, 0, 1);
        for (uint64_t sequence = 2; sequence < i + 2; sequence++) {
            resend(fixture, sequence, sequence - 1, 2);
        }
        resend(fixture, i + 2, i + 1, 2);
        assert_counted(fixture, fixture->count - 2, before + 1);
        assert_counted(fixture, fixture->count - 1, before + 2);
        assert_int_equal(total(fixture), before + 2);
    }
}

/* the store is an older copy, which lacks only the batch in doubt */
static void test_only_the_doubtful_batch_was_lost(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *copy = count_batches(fixture, 2, 2);

    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REPLY_LOST);
    go_back(fixture, copy);
    wait_for_resend(fixture);
    resend(fixture, 3, 2, 1);
    assert_counted(fixture, 3, 4);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
}

static struct fake_call *call_of(const struct fixture *fixture, const char *site)
{
    for (size_t i = 0; i < fake_store_open_count(fixture->store); i++) {
        if (strcmp(fake_store_call(fixture->store, i)->batch.site, site) == 0) {
            return fake_store_call(fixture->store, i);
        }
    }
    return NULL;
}

/* guards: a site without visits never got a resend, because the link was not lost */
static void test_a_gap_of_one_site_is_looked_for_in_all(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *before = fake_database_copy(fixture->database);
    size_t one;

    visit_site(fixture, "one", "/");
    visit_site(fixture, "two", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    go_back(fixture, before);
    assert_false(engine_is_resending(fixture->engine));
    one = visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_true(engine_is_resending(fixture->engine));
    assert_int_equal(call_of(fixture, "one")->kind, FAKE_APPLY);
    assert_int_equal(call_of(fixture, "two")->kind, FAKE_LEDGER);
    for (int i = 0; i < 2; i++) {
        fake_store_end_all(fixture->store, FAKE_DONE);
        turn(fixture);
    }
    assert_false(engine_is_resending(fixture->engine));
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_counted(fixture, one, 2);
    assert_int_equal(fake_database_total(fixture->database, "two", "/"), 1);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 2);
}

static void test_a_gap_of_one_site_is_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *before;
    size_t one;
    size_t two;

    one = visit_site(fixture, "one", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    before = fake_database_copy(fixture->database);
    visit_site(fixture, "two", "/");
    turn(fixture);
    end(fixture, FAKE_DONE);
    go_back(fixture, before);
    one = visit_site(fixture, "one", "/");
    two = visit_site(fixture, "two", "/");
    turn(fixture);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_counted(fixture, one, 2);
    assert_waiting(fixture, two);
    turn(fixture);
    assert_int_equal(call_of(fixture, "one")->kind, FAKE_LEDGER);
    fake_store_end(fixture->store, call_of(fixture, "one"), FAKE_DONE);
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        turn(fixture);
        assert_string_equal(sent(fixture)->batch.site, "two");
        assert_sent(fixture, sequence, "/", 1);
        end(fixture, FAKE_DONE);
    }
    assert_counted(fixture, two, 2);
    assert_int_equal(engine_stats(fixture->engine)->gaps, 1);
    assert_int_equal(engine_stats(fixture->engine)->resent_visits, 1);
}

/* --- found out when the store comes back --- */

static void test_a_store_that_comes_back_is_resent_to_without_visits(void **state)
{
    struct fixture *fixture = *state;
    const char *log;

    go_back(fixture, count_batches(fixture, 4, 1));
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_int_equal(sent(fixture)->kind, FAKE_LEDGER);
    assert_false(engine_is_idle(fixture->engine));
    log = log_of_end(fixture);
    assert_non_null(strstr(log, "sending 9 visits in 3 batches again"));
    turn(fixture);
    resend(fixture, 2, 1, 2);
    resend(fixture, 3, 2, 3);
    assert_false(engine_is_idle(fixture->engine));
    resend(fixture, 4, 3, 4);
    assert_true(engine_is_idle(fixture->engine));
    assert_int_equal(total(fixture), 10);
    assert_int_equal(engine_stats(fixture->engine)->resent_visits, 9);
    count_one(fixture, "/", 11);
}

static void test_a_store_that_comes_back_whole_is_only_asked(void **state)
{
    struct fixture *fixture = *state;

    fake_database_destroy(count_batches(fixture, 3, 1));
    for (int i = 0; i < 3; i++) {
        restart_store(fixture, FAKE_REQUEST_LOST);
        end_check(fixture, FAKE_DONE);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        assert_true(engine_is_idle(fixture->engine));
    }
    assert_int_equal(engine_stats(fixture->engine)->gaps, 0);
    count_one(fixture, "/", 7);
}

/* Visits wait for the check: the store may need a resend first. */
static void test_visits_wait_for_the_check(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REFUSED, FAKE_REQUEST_LOST, FAKE_DONE};
    struct fixture *fixture = *state;
    size_t next;

    go_back(fixture, count_batches(fixture, 2, 1));
    restart_store(fixture, FAKE_REQUEST_LOST);
    next = visit(fixture, "/");
    for (size_t i = 0; i < 3; i++) {
        turn(fixture);
        assert_int_equal(sent(fixture)->kind, FAKE_LEDGER);
        end(fixture, rows[i]);
        if (rows[i] != FAKE_DONE) {
            wait_for_resend(fixture);
        }
    }
    turn(fixture);
    resend(fixture, 2, 1, 2);
    resend(fixture, 3, 2, 1);
    assert_counted(fixture, next, 4);
}

/* a batch that was in flight when the store went away follows the batches to resend */
static void test_a_doubtful_batch_waits_for_the_check(void **state)
{
    static const enum fake_fate rows[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST, FAKE_LATE};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 3; i++) {
        struct fake_database *copy = fake_database_copy(fixture->database);
        uint64_t before = total(fixture);

        count_one(fixture, "/", before + 1);
        visit(fixture, "/");
        turn(fixture);
        fake_store_go_away(fixture->store, rows[i]);
        go_back(fixture, copy);
        fake_store_come_back(fixture->store);
        turn(fixture);
        end_check(fixture, FAKE_DONE);
        resend(fixture, 2 * i + 1, 2 * i, 1);
        resend(fixture, 2 * i + 2, 2 * i + 1, 1);
        assert_counted(fixture, fixture->count - 1, before + 2);
    }
    fake_store_execute_late(fixture->store);
    assert_int_equal(total(fixture), 6);
}

static void test_nothing_is_asked_where_nothing_is_kept(void **state)
{
    struct fixture *fixture = *state;

    restart_store(fixture, FAKE_REQUEST_LOST); /* no batch was sent yet */
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    count_one(fixture, "/", 1);
    advance(fixture, RETAIN_MS + 2000);
    restart_store(fixture, FAKE_REQUEST_LOST);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_true(engine_is_idle(fixture->engine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lost_batches_are_sent_again_before_new_ones),
        TEST(test_visits_that_arrive_while_it_resends),
        TEST(test_patience_ends_while_it_resends),
        TEST(test_a_gap_settles_a_doubtful_batch),
        TEST(test_only_the_doubtful_batch_was_lost),
        TEST(test_a_gap_of_one_site_is_looked_for_in_all),
        TEST(test_a_gap_of_one_site_is_its_own),
        TEST(test_a_store_that_comes_back_is_resent_to_without_visits),
        TEST(test_a_store_that_comes_back_whole_is_only_asked),
        TEST(test_visits_wait_for_the_check),
        TEST(test_a_doubtful_batch_waits_for_the_check),
        TEST(test_nothing_is_asked_where_nothing_is_kept),
    };

    return cmocka_run_group_tests_name("engine_resend", tests, NULL, NULL);
}
