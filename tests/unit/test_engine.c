/* SPDX-License-Identifier: MIT */
/* How visits become batches and numbers; the engine's limits, and its end. */
#include "engine_fixture.h"

/* --- gathering --- */

static void test_a_lone_visit_leaves_at_the_end_of_its_turn(void **state)
{
    struct fixture *fixture = *state;
    size_t i = visit(fixture, "/");

    assert_int_equal(fake_store_open_count(fixture->store), 0);
    loop_turn(fixture->loop, 1);
    assert_sent(fixture, 1, "/", 1);
    assert_string_equal(sent(fixture)->batch.site, "default");
    assert_int_equal(sent(fixture)->batch.hour, 500000);
    assert_waiting(fixture, i);
    assert_false(engine_is_idle(fixture->engine));
    end(fixture, FAKE_DONE);
    assert_counted(fixture, i, 1);
    assert_true(engine_is_idle(fixture->engine));
}

static void test_visits_of_one_turn_share_a_batch(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 100; i++) {
        visit(fixture, "/");
    }
    turn(fixture);
    assert_sent(fixture, 1, "/", 100);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < 100; i++) {
        assert_counted(fixture, i, i + 1);
        assert_int_equal(fixture->visits[i].rank, i);
    }
    assert_int_equal(fixture->store->apply_count, 1);
}

static void test_one_batch_of_a_site_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit(fixture, "/");

    turn(fixture);
    for (int i = 0; i < 10; i++) {
        visit(fixture, "/");
        turn(fixture);
        assert_sent(fixture, 1, "/", 1);
    }
    end(fixture, FAKE_DONE);
    assert_counted(fixture, first, 1);
    loop_turn(fixture->loop, 2); /* no delay but one more turn, so that others may join */
    assert_sent(fixture, 2, "/", 10);
    end(fixture, FAKE_DONE);
    for (size_t i = 1; i <= 10; i++) {
        assert_counted(fixture, i, i + 1);
    }
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 11);
}

static void test_a_lone_visit_is_sent_in_its_turn(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    loop_turn(fixture->loop, 1);
    assert_sent(fixture, 1, "/", 1);
    end(fixture, FAKE_DONE);
}

static void test_visits_wait_one_turn_for_others(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    visit(fixture, "/");
    loop_turn(fixture->loop, 1);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    visit(fixture, "/");
    loop_turn(fixture->loop, 1); /* as many as arrive */
    assert_sent(fixture, 1, "/", 3);
    end(fixture, FAKE_DONE);
}

static void test_sites_do_not_wait_for_each_other(void **state)
{
    struct fixture *fixture = *state;
    size_t one = visit_site(fixture, "one", "/");
    size_t two = visit_site(fixture, "two", "/");
    const struct fake_call *first;
    const struct fake_call *second;

    turn(fixture);
    assert_int_equal(fake_store_open_count(fixture->store), 2);
    first = fake_store_call_of(fixture->store, "one");
    second = fake_store_call_of(fixture->store, "two");
    assert_int_equal(first->batch.sequence, 1);
    assert_int_equal(second->batch.sequence, 1);
    assert_string_not_equal(first->batch.epoch, second->batch.epoch);
    fake_store_end(fixture->store, fake_store_call_of(fixture->store, "two"), FAKE_DONE);
    assert_counted(fixture, two, 1);
    assert_waiting(fixture, one);
    two = visit_site(fixture, "two", "/");
    turn(fixture);
    assert_int_equal(fake_store_call_of(fixture->store, "two")->batch.sequence, 2);
    fake_store_end_all(fixture->store, FAKE_DONE);
    assert_counted(fixture, one, 1);
    assert_counted(fixture, two, 2);
}

static void test_numbers_of_each_page_in_order_of_arrival(void **state)
{
    /* letters are pages; `before`: totals by other instances; `numbers`: the expected ones */
    static const struct {
        const char *pages;
        uint64_t before[3]; /* of a, b, c */
        uint64_t numbers[8];
    } rows[] = {
        {"a", {0}, {1}},
        {"abc", {0}, {1, 1, 1}},
        {"abab", {0}, {1, 1, 2, 2}},
        {"aabcba", {100, 0, 7}, {101, 102, 1, 8, 2, 103}},
        {"cbacbacc", {9, 99, 999}, {1000, 100, 10, 1001, 101, 11, 1002, 1003}},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t first = fixture->count;
        size_t length = strlen(rows[i].pages);

        for (int page = 0; page < 3; page++) {
            char name[2] = {(char)('a' + page), '\0'};

            fake_database_set(fixture->database, "default", name, rows[i].before[page]);
        }
        for (size_t j = 0; j < length; j++) {
            visit(fixture, (char[]){rows[i].pages[j], '\0'});
        }
        turn(fixture);
        end(fixture, FAKE_DONE);
        for (size_t j = 0; j < length; j++) {
            assert_counted(fixture, first + j, rows[i].numbers[j]);
        }
    }
}

static void test_another_instance_counts_in_between(void **state)
{
    struct fixture *fixture = *state;

    count_one(fixture, "/", 1);
    fake_database_set(fixture->database, "default", "/", 50);
    visit(fixture, "/");
    turn(fixture);
    fake_database_set(fixture->database, "default", "/", 60); /* while the batch is in flight */
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 1, 61);
}

static void test_a_batch_has_a_bounded_number_of_pages(void **state)
{
    struct fixture *fixture = *state;
    char page[16];

    for (size_t i = 0; i < BATCH_PAGES_MAX + 1; i++) {
        snprintf(page, sizeof(page), "/%zu", i);
        visit(fixture, page);
        visit(fixture, page);
        if (fixture->count >= MAX_WAITING - 1) {
            break;
        }
    }
    set_limits(fixture, MAX_WAIT_MS, VISITS_MAX);
    visit(fixture, "/one");
    visit(fixture, "/two");
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.entry_count, BATCH_PAGES_MAX);
    assert_int_equal(fake_call_hits(sent(fixture), "/499"), 1); /* the second one came too late */
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.sequence, 2);
    assert_int_equal(sent(fixture)->batch.entry_count, 3);
    end(fixture, FAKE_DONE);
    assert_int_equal(fake_database_total(fixture->database, "default", "/499"), 2);
}

static void test_a_new_hour_begins_a_new_batch(void **state)
{
    struct fixture *fixture = *state;

    fake_clock_advance(HOUR_MS - 1);
    visit(fixture, "/");
    fake_clock_advance(1);
    visit(fixture, "/");
    visit(fixture, "/");
    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    assert_int_equal(sent(fixture)->batch.hour, 500000);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_sent(fixture, 2, "/", 2);
    assert_int_equal(sent(fixture)->batch.hour, 500001);
    end(fixture, FAKE_DONE);
    for (size_t i = 0; i < 3; i++) {
        assert_counted(fixture, i, i + 1);
    }
}

/* a batch keeps the hour of its visits, even if it is sent much later */
static void test_a_batch_keeps_its_hour(void **state)
{
    struct fixture *fixture = *state;

    fake_clock_advance(HOUR_MS - 100);
    visit(fixture, "/");
    turn(fixture);
    end(fixture, FAKE_REFUSED);
    advance(fixture, 200);
    assert_int_equal(sent(fixture)->batch.hour, 500000);
    end(fixture, FAKE_DONE);
}

static void test_a_clock_that_goes_back_keeps_the_order(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    fake_clock_stop(START_MS, WALL_MS - 1);
    visit(fixture, "/");
    fake_clock_stop(START_MS, WALL_MS);
    visit(fixture, "/");
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        turn(fixture);
        assert_sent(fixture, sequence, "/", 1);
        end(fixture, FAKE_DONE);
        assert_counted(fixture, sequence - 1, sequence);
    }
}

/* --- limits --- */

static void test_a_bounded_number_of_visits_waits(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < MAX_WAITING; i++) {
        visit(fixture, "/");
    }
    assert_int_equal(try_visit(fixture, "default", "/"), -ENOBUFS);
    assert_int_equal(try_visit(fixture, "another", "/"), -ENOBUFS);
    turn(fixture);
    assert_int_equal(try_visit(fixture, "default", "/"), -ENOBUFS);
    assert_int_equal(engine_stats(fixture->engine)->waiting, MAX_WAITING);
    end(fixture, FAKE_DONE);
    assert_int_equal(engine_stats(fixture->engine)->waiting, 0);
    assert_int_equal(engine_stats(fixture->engine)->refused, 3);
    count_one(fixture, "/", MAX_WAITING + 1);
}

static void test_options_can_be_changed(void **state)
{
    struct fixture *fixture = *state;
    size_t i;

    set_limits(fixture, 200, 1);
    i = visit(fixture, "/");
    assert_int_equal(try_visit(fixture, "default", "/"), -ENOBUFS);
    turn(fixture);
    advance(fixture, 200 + EXPIRE_MS);
    assert_uncounted(fixture, i, VISIT_UNKNOWN);
    end(fixture, FAKE_DONE);
}

static void test_the_longest_names(void **state)
{
    struct fixture *fixture = *state;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];

    memset(site, 's', STORE_SITE_MAX);
    site[STORE_SITE_MAX] = '\0';
    memset(page, 'p', STORE_PAGE_MAX);
    page[STORE_PAGE_MAX] = '\0';
    visit_site(fixture, site, page);
    turn(fixture);
    assert_string_equal(sent(fixture)->batch.site, site);
    assert_string_equal(sent(fixture)->batch.entries[0].page, page);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 0, 1);
}

/* --- inside an answer --- */

static void visit_once_more(struct fixture *fixture)
{
    if (fixture->count < 20) {
        visit(fixture, "/");
        visit_site(fixture, "another", "/");
    }
}

/* a client may ask for the next page as soon as it has the answer */
static void test_a_visit_from_inside_an_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->on_answer = visit_once_more;
    visit(fixture, "/");
    for (int i = 0; i < 20; i++) {
        turn(fixture);
        fake_store_end_all(fixture->store, FAKE_DONE);
    }
    assert_int_equal(fixture->answered, fixture->count);
    assert_int_equal(fake_database_total(fixture->database, "default", "/") +
                         fake_database_total(fixture->database, "another", "/"),
                     fixture->count);
    assert_int_equal(engine_stats(fixture->engine)->applied, fixture->count);
}

static void test_a_visit_from_inside_a_refusal(void **state)
{
    struct fixture *fixture = *state;

    fixture->on_answer = visit_once_more;
    visit(fixture, "/");
    turn(fixture);
    for (int i = 0; i < 12; i++) {
        advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    }
    fixture->on_answer = NULL;
    fake_store_end_all(fixture->store, FAKE_REQUEST_LOST);
    fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
    advance(fixture, 2 * MAX_WAIT_MS);
    assert_int_equal(fixture->answered, fixture->count);
    assert_true(fixture->count > 2);
}

/* --- the end --- */

static void test_stop_answers_those_who_wait(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    turn(fixture);
    visit(fixture, "/");
    engine_stop(fixture->engine);
    assert_int_equal(try_visit(fixture, "default", "/"), -ESHUTDOWN);
    assert_false(engine_is_idle(fixture->engine));
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_false(engine_is_idle(fixture->engine));
    end(fixture, FAKE_DONE);
    assert_counted(fixture, 0, 1);
    assert_counted(fixture, 1, 2);
    assert_true(engine_is_idle(fixture->engine));
}

static void test_abandon_answers_everybody_now(void **state)
{
    struct fixture *fixture = *state;
    size_t in_flight = visit(fixture, "/");
    size_t gathered;
    size_t elsewhere;

    turn(fixture);
    gathered = visit(fixture, "/");
    elsewhere = visit_site(fixture, "another", "/");
    engine_abandon(fixture->engine);
    assert_uncounted(fixture, in_flight, VISIT_UNKNOWN);
    assert_uncounted(fixture, gathered, VISIT_REFUSED);
    assert_uncounted(fixture, elsewhere, VISIT_REFUSED);
    assert_int_equal(try_visit(fixture, "default", "/"), -ESHUTDOWN);
    turn(fixture);
    end(fixture, FAKE_DONE); /* no visit waits for the late answer */
    turn(fixture);
    assert_int_equal(fake_store_open_count(fixture->store), 0);
    assert_int_equal(fake_database_total(fixture->database, "default", "/"), 1);
    assert_true(engine_is_idle(fixture->engine));
}

static void test_destroy_at_any_time(void **state)
{
    enum moment { ARRIVED, SENT, REFUSED, DOUBTFUL, SENT_AGAIN, AWAY, ANSWERED, MOMENTS };
    struct fixture *fixture = *state;

    for (int moment = ARRIVED; moment < MOMENTS; moment++) {
        size_t first = visit(fixture, "/");
        size_t waiting;

        if (moment >= SENT) {
            turn(fixture);
        }
        if (moment == REFUSED) {
            end(fixture, FAKE_REFUSED);
        } else if (moment == DOUBTFUL) {
            end(fixture, FAKE_REPLY_LOST);
        } else if (moment == SENT_AGAIN) {
            end(fixture, FAKE_REPLY_LOST);
            wait_for_resend(fixture);
        } else if (moment == AWAY) {
            fake_store_go_away(fixture->store, FAKE_REQUEST_LOST);
        } else if (moment == ANSWERED) {
            end(fixture, FAKE_DONE);
        }
        waiting = visit(fixture, "/");
        engine_destroy(fixture->engine);
        assert_true(fixture->visits[first].is_answered);
        assert_uncounted(fixture, waiting, VISIT_REFUSED);
        fake_store_end_all(fixture->store, FAKE_DONE); /* answers to an engine that is gone */
        turn(fixture);
        if (!fixture->store->available) {
            fake_store_come_back(fixture->store);
        }
        advance(fixture, 200);
        assert_int_equal(fake_store_open_count(fixture->store), 0);
        fixture->engine = engine_create(fixture->loop, &fixture->store->store, &default_options);
    }
}

static void test_the_store_goes_first_with_calls_open(void **state)
{
    struct fixture *fixture = *state;

    visit(fixture, "/");
    visit_site(fixture, "another", "/");
    turn(fixture);
    engine_destroy(fixture->engine);
    fixture->engine = NULL;
    assert_int_equal(fake_store_open_count(fixture->store), 2);
    destroy_store(fixture);
    assert_uncounted(fixture, 0, VISIT_UNKNOWN);
}

/* --- statistics --- */

static void test_each_visit_is_in_one_number(void **state)
{
    struct fixture *fixture = *state;
    const struct stats *stats = engine_stats(fixture->engine);

    count_one(fixture, "/", 1);
    advance(fixture, 10);
    visit(fixture, "/");
    turn(fixture);
    advance(fixture, 20);
    end(fixture, FAKE_DONE);
    visit(fixture, "/");
    turn(fixture);
    visit(fixture, "/");
    advance(fixture, MAX_WAIT_MS + EXPIRE_MS);
    end(fixture, FAKE_REPLY_LOST);
    wait_for_resend(fixture);
    end(fixture, FAKE_DONE);
    assert_int_equal(stats->accepted, 4);
    assert_int_equal(stats->applied, 2);
    assert_int_equal(stats->refused, 1);
    assert_int_equal(stats->unknown, 1);
    assert_int_equal(stats->waiting, 0);
    assert_int_equal(stats->batches, 3);
    assert_int_equal(stats->retried, 1);
    assert_int_equal(stats->duplicate_batches, 1);
    assert_int_equal(stats->gaps, 0);
    assert_int_equal(stats->latency_count, 2);
    assert_int_equal(stats->latency_sum_us, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_lone_visit_leaves_at_the_end_of_its_turn),
        TEST(test_visits_of_one_turn_share_a_batch),
        TEST(test_one_batch_of_a_site_is_in_flight),
        TEST(test_a_lone_visit_is_sent_in_its_turn),
        TEST(test_visits_wait_one_turn_for_others),
        TEST(test_sites_do_not_wait_for_each_other),
        TEST(test_numbers_of_each_page_in_order_of_arrival),
        TEST(test_another_instance_counts_in_between),
        TEST(test_a_batch_has_a_bounded_number_of_pages),
        TEST(test_a_new_hour_begins_a_new_batch),
        TEST(test_a_batch_keeps_its_hour),
        TEST(test_a_clock_that_goes_back_keeps_the_order),
        TEST(test_a_bounded_number_of_visits_waits),
        TEST(test_options_can_be_changed),
        TEST(test_the_longest_names),
        TEST(test_a_visit_from_inside_an_answer),
        TEST(test_a_visit_from_inside_a_refusal),
        TEST(test_stop_answers_those_who_wait),
        TEST(test_abandon_answers_everybody_now),
        TEST(test_destroy_at_any_time),
        TEST(test_the_store_goes_first_with_calls_open),
        TEST(test_each_visit_is_in_one_number),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
