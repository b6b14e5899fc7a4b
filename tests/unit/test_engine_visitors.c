/* SPDX-License-Identifier: MIT */
/* Which visitors the engine sends to the store, and how it handles a limit on pages. */
#include "engine_fixture.h"

#define TODAY UINT64_C(20833)

/* a visit by an identified visitor on a day */
static size_t visit_by(struct fixture *fixture, const char *page, uint64_t visitor, uint64_t day)
{
    struct visit *next = &fixture->visits[fixture->count].visit;

    next->visitor = visitor;
    next->day = day;
    next->wants_uniques = true;
    return visit(fixture, page);
}

static size_t visit_with_limit(struct fixture *fixture, const char *page, uint64_t pages_max)
{
    fixture->visits[fixture->count].visit.pages_max = pages_max;
    return visit(fixture, page);
}

static void test_visitors_are_told_and_counted(void **state)
{
    struct fixture *fixture = *state;
    size_t first = visit_by(fixture, "/a", 1, TODAY);
    size_t second = visit_by(fixture, "/a", 2, TODAY);
    size_t plain = visit(fixture, "/b");

    turn(fixture);
    assert_int_equal(sent(fixture)->batch.visitor_count, 2);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_counted(fixture, first, 1);
    assert_counted(fixture, second, 2);
    assert_int_equal(fixture->visits[first].uniques, 2);
    assert_int_equal(fixture->visits[second].uniques, 2);
    end(fixture, FAKE_DONE); /* of another day, so of another batch */
    assert_counted(fixture, plain, 1);
    assert_true(fixture->visits[plain].uniques == STORE_NONE);
    assert_int_equal(fake_database_uniques(fixture->database, "default", "", TODAY), 2);
}

/* a returning visitor costs next to nothing */
static void test_a_visitor_who_is_known_is_not_told_again(void **state)
{
    struct fixture *fixture = *state;
    size_t again;

    visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE);
    again = visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.visitor_count, 0);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, again, 2);
    assert_int_equal(fixture->visits[again].uniques, 1);
    visit_by(fixture, "/b", 7, TODAY); /* of another page, though */
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.visitor_count, 1);
    end(fixture, FAKE_DONE);
}

static void test_who_was_forgotten_is_told_again(void **state)
{
    struct fixture *fixture = *state;

    visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE);
    engine_forget_visitors(fixture->engine);
    visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.visitor_count, 1);
    end(fixture, FAKE_DONE);
}

static void test_a_visitor_whose_batch_is_refused_is_told_again(void **state)
{
    struct fixture *fixture = *state;

    visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    end(fixture, FAKE_REFUSED);
    wait_for_resend(fixture);
    assert_int_equal(sent(fixture)->batch.visitor_count, 1);
    end(fixture, FAKE_DONE);
    assert_int_equal(fake_database_uniques(fixture->database, "default", "/a", TODAY), 1);
}

/* a resend brings the visitors back; those of dropped batches are sent again */
static void test_a_store_that_went_back_is_told_of_all_visitors(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *copy = fake_database_copy(fixture->database);
    size_t again;

    visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE);
    advance(fixture, RETAIN_MS + 2000);
    visit_by(fixture, "/a", 8, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE);
    fake_database_restore(fixture->database, copy);
    fake_database_destroy(copy);
    visit_by(fixture, "/a", 9, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE); /* a gap */
    turn(fixture);
    end(fixture, FAKE_DONE); /* resent */
    turn(fixture);
    end(fixture, FAKE_DONE); /* the new one */
    assert_int_equal(fake_database_uniques(fixture->database, "default", "/a", TODAY), 2);
    again = visit_by(fixture, "/a", 7, TODAY);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_int_equal(fixture->visits[again].uniques, 3);
}

static void test_days_are_batches_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    size_t today = visit_by(fixture, "/", 1, TODAY);
    size_t tomorrow = visit_by(fixture, "/", 1, TODAY + 1);

    turn(fixture);
    assert_sent(fixture, 1, "/", 1);
    assert_int_equal(sent(fixture)->batch.day, TODAY);
    end(fixture, FAKE_DONE);
    turn(fixture);
    assert_int_equal(sent(fixture)->batch.day, TODAY + 1);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, today, 1);
    assert_counted(fixture, tomorrow, 2);
}

/* --- the limit --- */

static void test_a_page_too_many_is_said(void **state)
{
    struct fixture *fixture = *state;
    size_t old = visit_with_limit(fixture, "/old", 1);
    size_t new;

    turn(fixture);
    end(fixture, FAKE_DONE);
    new = visit_with_limit(fixture, "/new", 1);
    visit_with_limit(fixture, "/new", 1);
    visit_with_limit(fixture, "/old", 1);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_counted(fixture, old, 1);
    assert_uncounted(fixture, new, VISIT_TOO_MANY_PAGES);
    assert_uncounted(fixture, new + 1, VISIT_TOO_MANY_PAGES);
    assert_counted(fixture, new + 2, 2);
    assert_int_equal(engine_stats(fixture->engine)->refused, 2);
    assert_int_equal(engine_stats(fixture->engine)->applied, 2);
    assert_int_equal(engine_stats(fixture->engine)->waiting, 0);
}

/* guards: a resend counted a visit that was answered as refused, because the page had room then */
static void test_what_was_refused_is_not_resent(void **state)
{
    struct fixture *fixture = *state;
    struct fake_database *empty = fake_database_copy(fixture->database);
    size_t i;

    visit_with_limit(fixture, "/a", 1);
    turn(fixture);
    end(fixture, FAKE_DONE);
    i = visit_with_limit(fixture, "/b", 1);
    visit_with_limit(fixture, "/a", 1);
    turn(fixture);
    end(fixture, FAKE_DONE);
    assert_uncounted(fixture, i, VISIT_TOO_MANY_PAGES);
    fake_database_restore(fixture->database, empty);
    fake_database_destroy(empty);
    fake_database_set(fixture->database, "default", "/other", 1); /* there is no room now */
    visit_with_limit(fixture, "/other", 1);
    for (int calls = 0; calls < 4; calls++) { /* a gap, two resends, the new batch */
        turn(fixture);
        end(fixture, FAKE_DONE);
    }
    assert_int_equal(fake_database_total(fixture->database, "default", "/a"), 2);
    assert_int_equal(fake_database_total(fixture->database, "default", "/b"), 0);
    assert_int_equal(fake_database_total(fixture->database, "default", "/other"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_visitors_are_told_and_counted),
        TEST(test_a_visitor_who_is_known_is_not_told_again),
        TEST(test_who_was_forgotten_is_told_again),
        TEST(test_a_visitor_whose_batch_is_refused_is_told_again),
        TEST(test_a_store_that_went_back_is_told_of_all_visitors),
        TEST(test_days_are_batches_of_their_own),
        TEST(test_a_page_too_many_is_said),
        TEST(test_what_was_refused_is_not_resent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
