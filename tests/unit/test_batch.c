/* SPDX-License-Identifier: MIT */
/* How visits join a batch, get their numbers, and time out. */
#include "batch_fixture.h"

/* --- numbers --- */

static void test_numbers_in_order_of_arrival(void **state)
{
    /* totals: after the batch, of the pages in the order of their first visit */
    static const struct {
        const char *pages;
        const char *content;
        uint64_t totals[4];
        uint64_t numbers[8];
    } rows[] = {
        {"a", "a1", {1}, {1}},
        {"a", "a1", {1000}, {1000}},
        {"aaa", "a3", {3}, {1, 2, 3}},
        {"aaa", "a3", {103}, {101, 102, 103}},
        {"ab", "a1 b1", {5, 9}, {5, 9}},
        {"ba", "b1 a1", {5, 9}, {5, 9}},
        {"abab", "a2 b2", {12, 2}, {11, 1, 12, 2}},
        {"aabcba", "a3 b2 c1", {3, 20, 7}, {1, 2, 19, 7, 20, 3}},
        {"abcdabcd", "a2 b2 c2 d2", {2, 4, 6, 8}, {1, 3, 5, 7, 2, 4, 6, 8}},
        {"a", "a1", {UINT64_C(1) << 53}, {UINT64_C(1) << 53}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *own;

        setup(&own);
        add(own, rows[i].pages, NULL);
        assert_content(own, rows[i].content);
        answer(own, rows[i].totals);
        assert_memory_equal(((struct fixture *)own)->numbers, rows[i].numbers,
                            sizeof(rows[i].numbers));
        teardown(&own);
    }
}

/* --- leaving --- */

static void test_who_leaves_and_who_stays(void **state)
{
    /*
     * x: the visit times out. An open batch loses its hit. A sealed batch stays unchanged, and the
     * visit's number is not used.
     */
    static const struct {
        const char *pages;
        const char *leaving;
        bool sealed;
        const char *content;
        uint64_t totals[3];
        uint64_t numbers[8];
    } rows[] = {
        {"aaa", "x..", false, "a2", {2}, {0, 1, 2}},
        {"aaa", ".x.", false, "a2", {2}, {1, 0, 2}},
        {"aaa", "..x", false, "a2", {2}, {1, 2, 0}},
        {"aaaaa", "x.x.x", false, "a2", {12}, {0, 11, 0, 12, 0}},
        {"abab", "x..x", false, "a1 b1", {1, 1}, {0, 1, 1, 0}},
        {"abab", "x.x.", false, "b2", {2}, {0, 1, 0, 2}},
        {"abcabc", ".x..x.", false, "a2 c2", {2, 2}, {1, 0, 1, 2, 0, 2}},
        {"aaa", "...", false, "a3", {3}, {1, 2, 3}},
        {"aaa", "x..", true, "a3", {3}, {0, 2, 3}},
        {"aaa", ".x.", true, "a3", {3}, {1, 0, 3}},
        {"aaa", "xxx", true, "a3", {3}, {0, 0, 0}},
        {"abab", "x.x.", true, "a2 b2", {2, 12}, {0, 11, 0, 12}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *fixture;
        void *own;
        size_t leaving = 0;

        setup(&own);
        fixture = own;
        add(fixture, rows[i].pages, rows[i].leaving);
        for (const char *at = rows[i].leaving; *at != '\0'; at++) {
            leaving += *at == 'x' ? 1 : 0;
        }
        if (rows[i].sealed) {
            assert_content(fixture, rows[i].content);
        }
        assert_int_equal(expire(fixture, LEAVES_MS - 1), 0);
        assert_int_equal(expire(fixture, LEAVES_MS), leaving);
        assert_int_equal(expire(fixture, LEAVES_MS), 0);
        assert_content(fixture, rows[i].content);
        answer(fixture, rows[i].totals);
        assert_memory_equal(fixture->numbers, rows[i].numbers, sizeof(rows[i].numbers));
        teardown(&own);
    }
}

static void test_an_open_batch_that_all_left_is_empty(void **state)
{
    struct fixture *fixture = *state;

    assert_true(batch_is_empty(fixture->batch));
    add(fixture, "abca", "xxxx");
    assert_false(batch_is_empty(fixture->batch));
    assert_int_equal(expire(fixture, LEAVES_MS), 4);
    assert_true(batch_is_empty(fixture->batch));
}

/* guards: the batch remembered the page of the last visit after all visits of that page had left */
static void test_a_page_that_all_left_comes_back(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "a", "x");
    assert_int_equal(expire(fixture, LEAVES_MS), 1);
    add(fixture, "ab", NULL);
    assert_content(fixture, "a1 b1");
    expire(fixture, STAYS_MS);
}

static void test_a_sealed_batch_that_all_left_is_not_empty(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "ab", "xx");
    assert_content(fixture, "a1 b1");
    assert_int_equal(expire(fixture, LEAVES_MS), 2);
    assert_false(batch_is_empty(fixture->batch));
    assert_content(fixture, "a1 b1");
    answer(fixture, (uint64_t[]){1, 1});
}

/* as at the end of a drain: UINT64_MAX is after every deadline */
static void test_everybody_can_be_made_to_leave(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "abc", NULL);
    fixture->visits[1].deadline_ms = UINT64_MAX;
    assert_int_equal(expire(fixture, UINT64_MAX), 3);
}

/* --- sealing and reopening --- */

static void test_takes_visits_only_while_it_was_never_sent(void **state)
{
    struct fixture *fixture = *state;

    assert_true(batch_takes(fixture->batch, SECOND, DAY));
    add(fixture, "a", NULL);
    assert_true(batch_takes(fixture->batch, SECOND, DAY));
    batch_seal(fixture->batch);
    assert_int_equal(fixture->batch->attempts, 1);
    assert_false(batch_takes(fixture->batch, SECOND, DAY));
    batch_reopen(fixture->batch);
    assert_false(batch_takes(fixture->batch, SECOND, DAY));
    expire(fixture, STAYS_MS);
}

static void test_takes_visits_of_its_hour(void **state)
{
    struct fixture *fixture = *state;
    struct batch *last = batch_create(SECOND + HOUR_S - 1, DAY);

    assert_true(batch_takes(fixture->batch, SECOND + HOUR_S - 1, DAY));
    assert_false(batch_takes(fixture->batch, SECOND + HOUR_S, DAY));
    assert_false(batch_takes(fixture->batch, SECOND - 1, DAY));
    assert_true(batch_takes(last, SECOND, DAY));
    assert_false(batch_takes(last, SECOND + HOUR_S, DAY));
    assert_false(batch_takes(last, SECOND - 1, DAY));
    batch_destroy(last);
}

/* in a time zone with half hours, a local day ends in the middle of an hour */
static void test_takes_visits_of_its_day(void **state)
{
    struct fixture *fixture = *state;

    assert_false(batch_takes(fixture->batch, SECOND + 1, DAY + 1));
    assert_false(batch_takes(fixture->batch, SECOND + 1, DAY - 1));
}

/* adds visits of "abab…", each by another visitor, until the batch is full */
static void test_takes_a_bounded_number_of_visitors(void **state)
{
    struct fixture *fixture = *state;
    struct visit *visits = calloc(BATCH_VISITORS_MAX, sizeof(*visits));
    const struct store_batch *content;
    struct list expired;

    assert_non_null(visits);
    for (size_t i = 0; i < BATCH_VISITORS_MAX; i++) {
        assert_true(batch_takes(fixture->batch, SECOND, DAY));
        visits[i].visitor = i + 1;
        batch_add(fixture->batch, i % 2 == 0 ? "a" : "b", 1, &visits[i]);
    }
    assert_false(batch_takes(fixture->batch, SECOND, DAY));
    content = &batch_seal(fixture->batch)->content;
    assert_int_equal(content->visitor_count, BATCH_VISITORS_MAX);
    for (size_t i = 0; i < BATCH_VISITORS_MAX; i++) { /* sorted by page */
        assert_int_equal(content->visitors[i].entry, i < BATCH_VISITORS_MAX / 2 ? 0 : 1);
        assert_int_equal((content->visitors[i].hash - 1) % 2, content->visitors[i].entry);
    }
    list_init(&expired);
    batch_expire(fixture->batch, STAYS_MS, &expired);
    free(visits);
}

static void test_takes_a_bounded_number_of_pages(void **state)
{
    struct fixture *fixture = *state;
    struct visit *visits = calloc(BATCH_PAGES_MAX, sizeof(*visits));
    char page[16];
    struct list expired;

    assert_non_null(visits);
    for (size_t i = 0; i < BATCH_PAGES_MAX; i++) {
        assert_true(batch_takes(fixture->batch, SECOND, DAY));
        snprintf(page, sizeof(page), "/%zu", i);
        batch_add(fixture->batch, page, strlen(page), &visits[i]);
    }
    assert_false(batch_takes(fixture->batch, SECOND, DAY));
    assert_int_equal(batch_seal(fixture->batch)->content.entry_count, BATCH_PAGES_MAX);
    list_init(&expired);
    batch_expire(fixture->batch, UINT64_MAX, &expired);
    free(visits);
}

static void test_a_reopened_batch_lets_visits_take_their_hits_along(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "abab", "x.x.");
    assert_content(fixture, "a2 b2");
    batch_reopen(fixture->batch);
    assert_int_equal(expire(fixture, LEAVES_MS), 2);
    assert_content(fixture, "b2");
    assert_int_equal(fixture->batch->attempts, 2);
    answer(fixture, (uint64_t[]){2});
    assert_int_equal(fixture->numbers[1], 1);
    assert_int_equal(fixture->numbers[3], 2);
}

/*
 * A visit that times out while its batch is in flight is answered as unknown. If the store then
 * refuses the batch, the visit is not sent again.
 */
static void test_a_visit_that_left_in_flight_is_not_sent_again(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "aaaab", ".x..x");
    fixture->visits[2].deadline_ms = 2 * LEAVES_MS;
    assert_content(fixture, "a4 b1");
    assert_int_equal(expire(fixture, LEAVES_MS), 2);
    batch_reopen(fixture->batch);
    assert_int_equal(expire(fixture, 2 * LEAVES_MS), 1);
    assert_content(fixture, "a2");
    answer(fixture, (uint64_t[]){12});
    assert_int_equal(fixture->numbers[0], 11);
    assert_int_equal(fixture->numbers[3], 12);
}

static void test_sealing_twice_gives_the_same(void **state)
{
    struct fixture *fixture = *state;
    const struct sealed_batch *sealed_batch;

    add(fixture, "ab", NULL);
    sealed_batch = batch_seal(fixture->batch);
    assert_ptr_equal(batch_seal(fixture->batch), sealed_batch);
    assert_int_equal(sealed_batch->content.entry_count, 2);
    assert_int_equal(fixture->batch->attempts, 2);
    expire(fixture, STAYS_MS);
}

static void test_reopening_takes_the_doubt_away(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "a", NULL);
    assert_content(fixture, "a1");
    fixture->batch->is_doubtful = true;
    batch_reopen(fixture->batch);
    assert_false(fixture->batch->is_doubtful);
    assert_false(fixture->batch->is_sealed);
    expire(fixture, STAYS_MS);
}

static void test_page_names_are_compared_whole(void **state)
{
    static const char *const pages[] = {"/", "/a", "/ab", "/a", "/b", "/", "", "/A"};
    struct fixture *fixture = *state;
    char longest[STORE_PAGE_MAX + 1];
    const struct store_entry *entries;

    memset(longest, 'x', STORE_PAGE_MAX);
    longest[STORE_PAGE_MAX] = '\0';
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        batch_add(fixture->batch, pages[i], strlen(pages[i]), &fixture->visits[i]);
    }
    batch_add(fixture->batch, longest, STORE_PAGE_MAX, &fixture->visits[VISITS_MAX - 1]);
    memset(longest, 'y', STORE_PAGE_MAX); /* the batch has copied the name */
    entries = batch_seal(fixture->batch)->content.entries;
    assert_int_equal(fixture->batch->sealed_batch->content.entry_count, 7);
    assert_string_equal(entries[0].page, "/");
    assert_int_equal(entries[0].hits, 2);
    assert_string_equal(entries[1].page, "/a");
    assert_int_equal(entries[1].hits, 2);
    assert_string_equal(entries[2].page, "/ab");
    assert_string_equal(entries[4].page, "");
    assert_int_equal(entries[6].page_length, STORE_PAGE_MAX);
    assert_int_equal(entries[6].page[STORE_PAGE_MAX - 1], 'x');
    expire(fixture, UINT64_MAX);
}

static void test_destroy_takes_null(void **state)
{
    (void)state;
    batch_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_in_order_of_arrival),
        cmocka_unit_test(test_who_leaves_and_who_stays),
        TEST(test_an_open_batch_that_all_left_is_empty),
        TEST(test_a_page_that_all_left_comes_back),
        TEST(test_a_sealed_batch_that_all_left_is_not_empty),
        TEST(test_everybody_can_be_made_to_leave),
        TEST(test_takes_visits_only_while_it_was_never_sent),
        TEST(test_takes_visits_of_its_hour),
        TEST(test_takes_visits_of_its_day),
        TEST(test_takes_a_bounded_number_of_visitors),
        TEST(test_takes_a_bounded_number_of_pages),
        TEST(test_a_reopened_batch_lets_visits_take_their_hits_along),
        TEST(test_a_visit_that_left_in_flight_is_not_sent_again),
        TEST(test_sealing_twice_gives_the_same),
        TEST(test_reopening_takes_the_doubt_away),
        TEST(test_page_names_are_compared_whole),
        cmocka_unit_test(test_destroy_takes_null),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
