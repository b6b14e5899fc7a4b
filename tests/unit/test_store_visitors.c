/* SPDX-License-Identifier: MIT */
/*
 * What a batch changes besides the totals of its pages: the site's total and visitors; and the
 * limit on pages. Each test runs against both stores.
 */
#include "store_fixture.h"

/* ---- the site as a page ---- */

static void test_a_site_has_the_sum_of_its_pages(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 3), entry_of("/b", 4)};
    struct store_token token = {"id", 2, 0, STORE_WINDOW_CLIENT};
    struct store_batch batch = batch_of(EPOCH_A, 1, 7, entries, 2);

    batch.tokens = &token;
    batch.token_count = 1;
    apply_batch(fixture, &batch);
    assert_true(total_of(fixture, "default", "") == 7);
    batch.sequence = 2;
    batch.follows = 1;
    apply_batch(fixture, &batch); /* its token was seen before */
    assert_true(total_of(fixture, "default", "") == 13);
    apply_batch(fixture, &batch); /* a duplicate */
    assert_true(total_of(fixture, "default", "") == 13);
    assert_true(read_number(fixture, "", STORE_DAYS, DAY, DAY) == 13);
    assert_true(total_of(fixture, "other", "") == 0);
}

/* ---- limits ---- */

static void test_new_pages_beyond_the_limit_are_refused(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 2), entry_of("/c", 3),
                                    entry_of("/d", 4)};
    struct store_token tokens[] = {{"a", 1, 0, STORE_WINDOW_CLIENT},
                                   {"c", 1, 2, STORE_WINDOW_CLIENT}};
    struct store_batch batch = batch_of(EPOCH_A, 1, 10, entries, 4);
    struct answer answer;

    batch.pages_max = 2;
    batch.tokens = tokens;
    batch.token_count = 2;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 0, 1);
    assert_total(answer, 1, 2);
    assert_total(answer, 2, STORE_NONE);
    assert_total(answer, 3, STORE_NONE);
    assert_true(total_of(fixture, "default", "/c") == 0);
    assert_true(total_of(fixture, "default", "") == 3);
    answer = apply_batch(fixture, &batch); /* a duplicate gets the same answer */
    assert_true(answer.is_duplicate);
    assert_total(answer, 1, 2);
    assert_total(answer, 3, STORE_NONE);
    /* with room again, the page is counted: its token was not kept */
    batch.pages_max = 3;
    batch.sequence = 2;
    batch.follows = 1;
    answer = apply_batch(fixture, &batch);
    assert_true(answer.duplicates[0]);
    assert_false(answer.duplicates[1]);
    assert_total(answer, 0, 1);
    assert_total(answer, 1, 4);
    assert_total(answer, 2, 3);
    assert_total(answer, 3, STORE_NONE);
    /* a lowered limit does not refuse existing pages */
    batch.pages_max = 1;
    batch.token_count = 0;
    batch.sequence = 3;
    batch.follows = 2;
    answer = apply_batch(fixture, &batch);
    assert_total(answer, 2, 6);
    assert_total(answer, 3, STORE_NONE);
}

/* ---- visitors ---- */

static void test_visitors_are_told_apart(void **state)
{
    struct fixture *fixture = open_fixture(state);

    assert_true(meet(fixture, "/a", DAY, (uint64_t[]){1, 2, 1}, 3).uniques[0] == 2);
    assert_true(meet(fixture, "/a", DAY, (uint64_t[]){2, UINT64_MAX}, 2).uniques[0] == 3);
    assert_true(meet(fixture, "/b", DAY, (uint64_t[]){1, 7}, 2).uniques[0] == 2);
    assert_true(meet(fixture, "/a", DAY + 1, (uint64_t[]){11}, 1).uniques[0] == 1);
    assert_true(read_number(fixture, "/a", STORE_UNIQUES, DAY, DAY) == 3);
    assert_true(read_number(fixture, "/a", STORE_UNIQUES, DAY - 5, DAY + 1) == 4);
    assert_true(read_number(fixture, "", STORE_UNIQUES, DAY, DAY) == 4);
    assert_true(read_number(fixture, "/none", STORE_UNIQUES, DAY, DAY) == 0);
}

static void test_uniques_are_told_where_they_are_wanted(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1), entry_of("/c", 1)};
    struct store_visitor visitors[] = {{5, 0}, {5, 1}};
    struct store_batch batch = batch_of(EPOCH_A, 1, 3, entries, 3);
    struct answer answer;

    batch.visitors = visitors;
    batch.visitor_count = 2;
    entries[1].wants_uniques = true;
    entries[2].wants_uniques = true;
    for (int i = 0; i < 2; i++) { /* the second time as a duplicate */
        answer = apply_batch(fixture, &batch);
        assert_true(answer.uniques[0] == STORE_NONE);
        assert_true(answer.uniques[1] == 1);
        assert_true(answer.uniques[2] == 0);
    }
}

/*
 * guards: a journal was never replayed, because its batches do not record whether uniques are
 * wanted
 */
static void test_uniques_that_are_no_longer_wanted(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1)};
    struct store_visitor visitors[] = {{5, 0}, {5, 1}};
    struct store_batch batch = batch_of(EPOCH_A, 1, 2, entries, 2);
    struct answer answer;

    batch.visitors = visitors;
    batch.visitor_count = 2;
    for (int wanted = 2; wanted >= 0; wanted--) {
        entries[0].wants_uniques = wanted > 0;
        entries[1].wants_uniques = wanted > 1;
        answer = apply_batch(fixture, &batch);
        assert_int_equal(answer.is_duplicate, wanted != 2);
        assert_total(answer, 0, 1);
        assert_total(answer, 1, 1);
    }
}

static void test_visitors_of_refused_pages_do_not_count(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entries[] = {entry_of("/a", 1), entry_of("/b", 1)};
    struct store_visitor visitors[] = {{5, 0}, {6, 1}};
    struct store_batch batch = batch_of(EPOCH_A, 1, 2, entries, 2);

    batch.visitors = visitors;
    batch.visitor_count = 2;
    batch.pages_max = 1;
    apply_batch(fixture, &batch);
    assert_true(read_number(fixture, "/b", STORE_UNIQUES, DAY, DAY) == 0);
    assert_true(read_number(fixture, "", STORE_UNIQUES, DAY, DAY) == 1);
}

static void test_a_token_of_a_day_holds_that_day(void **state)
{
    struct fixture *fixture = open_fixture(state);
    struct store_entry entry = entry_of("/", 1);
    struct store_token token = {"0123456789abcdef", 16, 0, STORE_WINDOW_DAY};
    struct store_batch batch = batch_of(EPOCH_A, 1, 1, &entry, 1);

    batch.tokens = &token;
    batch.token_count = 1;
    assert_total(apply_batch(fixture, &batch), 0, 1);
    for (uint64_t sequence = 2; sequence <= 3; sequence++) {
        batch = batch_of(EPOCH_A, sequence, 1, &entry, 1);
        batch.tokens = &token;
        batch.token_count = 1;
        batch.hour = DAY * 24 + 11 * sequence - 22; /* the first and the twelfth of the day */
        batch.second = batch.hour * 3600;
        assert_true(apply_batch(fixture, &batch).duplicates[0]);
    }
    batch = batch_of(EPOCH_A, 4, 1, &entry, 1);
    batch.tokens = &token;
    batch.token_count = 1;
    batch.day++;
    assert_false(apply_batch(fixture, &batch).duplicates[0]);
    assert_true(total_of(fixture, "default", "/") == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_a_site_has_the_sum_of_its_pages),
        FOR_BOTH(test_new_pages_beyond_the_limit_are_refused),
        FOR_BOTH(test_visitors_are_told_apart),
        FOR_BOTH(test_uniques_are_told_where_they_are_wanted),
        FOR_BOTH(test_uniques_that_are_no_longer_wanted),
        FOR_BOTH(test_visitors_of_refused_pages_do_not_count),
        FOR_BOTH(test_a_token_of_a_day_holds_that_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
