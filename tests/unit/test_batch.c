/* SPDX-License-Identifier: MIT */
/*
 * Visits are letters in these tests: "aba" is a visit of the page "a", one of "b" and one more of
 * "a".
 */
#include "count/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VISITS_MAX 32
#define LEAVES_MS  100
#define STAYS_MS   1000

struct fixture {
    struct batch *batch;
    struct visit visits[VISITS_MAX];
    uint64_t numbers[VISITS_MAX]; /* 0 as long as there is no answer */
    size_t count;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->batch = batch_create(7);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    batch_destroy(fixture->batch);
    free(fixture);
    return 0;
}

/* `leaving` has an x where a visit's patience ends at LEAVES_MS; NULL: nowhere */
static void add(struct fixture *fixture, const char *pages, const char *leaving)
{
    for (size_t i = 0; pages[i] != '\0'; i++) {
        struct visit *visit = &fixture->visits[fixture->count++];

        list_init(&visit->link);
        visit->deadline_ms = leaving != NULL && leaving[i] == 'x' ? LEAVES_MS : STAYS_MS;
        batch_add(fixture->batch, &pages[i], 1, visit);
    }
}

/* how many left; their order is that of their pages, then of their arrival */
static size_t expire(struct fixture *fixture, uint64_t now_ms)
{
    struct list expired;
    struct list *link;
    size_t count = 0;

    list_init(&expired);
    batch_expire(fixture->batch, now_ms, &expired);
    while ((link = list_take_first(&expired)) != NULL) {
        assert_true(container_of(link, struct visit, link)->deadline_ms <= now_ms);
        count++;
    }
    return count;
}

static void note_number(void *data, struct visit *visit, uint64_t number)
{
    struct fixture *fixture = data;

    assert_true(list_is_empty(&visit->link));
    assert_int_equal(fixture->numbers[visit - fixture->visits], 0);
    fixture->numbers[visit - fixture->visits] = number;
}

/* what would be sent, as "a2 b1" */
static void assert_content(struct fixture *fixture, const char *expected)
{
    size_t count;
    const struct store_entry *entries = batch_freeze(fixture->batch, &count);
    char text[256] = "";

    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(text);

        assert_int_equal(strlen(entries[i].page), entries[i].page_length);
        snprintf(text + length, sizeof(text) - length, "%s%s%llu", i != 0 ? " " : "",
                 entries[i].page, (unsigned long long)entries[i].hits);
    }
    assert_string_equal(text, expected);
}

/* --- numbers --- */

static void test_numbers_in_order_of_arrival(void **state)
{
    /* totals: of the pages in the order of their first visit, after the batch */
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
        batch_answer(((struct fixture *)own)->batch, rows[i].totals, note_number, own);
        assert_memory_equal(((struct fixture *)own)->numbers, rows[i].numbers,
                            sizeof(rows[i].numbers));
        teardown(&own);
    }
}

/* --- leaving --- */

static void test_who_leaves_and_who_stays(void **state)
{
    /*
     * x: leaves. From an open batch it takes its hit along; a frozen one stays as it was sent, and
     * nobody gets the number.
     */
    static const struct {
        const char *pages;
        const char *leaving;
        bool frozen;
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
        if (rows[i].frozen) {
            assert_content(fixture, rows[i].content);
        }
        assert_int_equal(expire(fixture, LEAVES_MS - 1), 0);
        assert_int_equal(expire(fixture, LEAVES_MS), leaving);
        assert_int_equal(expire(fixture, LEAVES_MS), 0);
        assert_content(fixture, rows[i].content);
        batch_answer(fixture->batch, rows[i].totals, note_number, fixture);
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

/* guards the page that the last visit was of: it may be gone by the next one */
static void test_a_page_that_all_left_comes_back(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "a", "x");
    assert_int_equal(expire(fixture, LEAVES_MS), 1);
    add(fixture, "ab", NULL);
    assert_content(fixture, "a1 b1");
    expire(fixture, STAYS_MS);
}

static void test_a_frozen_batch_that_all_left_is_not_empty(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "ab", "xx");
    assert_content(fixture, "a1 b1");
    assert_int_equal(expire(fixture, LEAVES_MS), 2);
    assert_false(batch_is_empty(fixture->batch));
    assert_content(fixture, "a1 b1");
    batch_answer(fixture->batch, (uint64_t[]){1, 1}, note_number, fixture);
}

/* the end of a drain: UINT64_MAX is after every deadline */
static void test_everybody_can_be_made_to_leave(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "abc", NULL);
    fixture->visits[1].deadline_ms = UINT64_MAX;
    assert_int_equal(expire(fixture, UINT64_MAX), 3);
}

/* --- freezing and thawing --- */

static void test_takes_visits_only_while_it_was_never_sent(void **state)
{
    struct fixture *fixture = *state;
    size_t count;

    assert_true(batch_takes(fixture->batch, 7));
    assert_false(batch_takes(fixture->batch, 6));
    assert_false(batch_takes(fixture->batch, 8));
    add(fixture, "a", NULL);
    assert_true(batch_takes(fixture->batch, 7));
    batch_freeze(fixture->batch, &count);
    assert_int_equal(fixture->batch->attempts, 1);
    assert_false(batch_takes(fixture->batch, 7));
    batch_thaw(fixture->batch);
    assert_false(batch_takes(fixture->batch, 7));
    expire(fixture, STAYS_MS);
}

static void test_takes_a_bounded_number_of_pages(void **state)
{
    struct fixture *fixture = *state;
    struct visit *visits = calloc(BATCH_PAGES_MAX, sizeof(*visits));
    char page[16];
    size_t count;
    struct list expired;

    assert_non_null(visits);
    for (size_t i = 0; i < BATCH_PAGES_MAX; i++) {
        assert_true(batch_takes(fixture->batch, 7));
        snprintf(page, sizeof(page), "/%zu", i);
        batch_add(fixture->batch, page, strlen(page), &visits[i]);
    }
    assert_false(batch_takes(fixture->batch, 7));
    batch_freeze(fixture->batch, &count);
    assert_int_equal(count, BATCH_PAGES_MAX);
    list_init(&expired);
    batch_expire(fixture->batch, UINT64_MAX, &expired);
    free(visits);
}

static void test_a_thawed_batch_lets_visits_take_their_hits_along(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "abab", "x.x.");
    assert_content(fixture, "a2 b2");
    batch_thaw(fixture->batch);
    assert_int_equal(expire(fixture, LEAVES_MS), 2);
    assert_content(fixture, "b2");
    assert_int_equal(fixture->batch->attempts, 2);
    batch_answer(fixture->batch, (uint64_t[]){2}, note_number, fixture);
    assert_int_equal(fixture->numbers[1], 1);
    assert_int_equal(fixture->numbers[3], 2);
}

/*
 * A visit that left while the batch was on its way was told that it may have been counted. When the
 * batch comes back as refused, that hit stays in it, and the numbers leave room for it.
 */
static void test_a_hit_of_a_visit_that_left_in_flight_stays(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "aaaa", ".x..");
    fixture->visits[2].deadline_ms = 2 * LEAVES_MS;
    assert_content(fixture, "a4");
    assert_int_equal(expire(fixture, LEAVES_MS), 1);
    batch_thaw(fixture->batch);
    assert_int_equal(expire(fixture, 2 * LEAVES_MS), 1);
    assert_content(fixture, "a3");
    batch_answer(fixture->batch, (uint64_t[]){13}, note_number, fixture);
    assert_int_equal(fixture->numbers[0], 11);
    assert_int_equal(fixture->numbers[3], 13);
}

static void test_freezing_twice_gives_the_same(void **state)
{
    struct fixture *fixture = *state;
    size_t count;
    const struct store_entry *entries;

    add(fixture, "ab", NULL);
    entries = batch_freeze(fixture->batch, &count);
    assert_ptr_equal(batch_freeze(fixture->batch, &count), entries);
    assert_int_equal(count, 2);
    assert_int_equal(fixture->batch->attempts, 2);
    expire(fixture, STAYS_MS);
}

static void test_thawing_takes_the_doubt_away(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "a", NULL);
    assert_content(fixture, "a1");
    fixture->batch->is_doubtful = true;
    batch_thaw(fixture->batch);
    assert_false(fixture->batch->is_doubtful);
    assert_false(fixture->batch->is_frozen);
    expire(fixture, STAYS_MS);
}

static void test_page_names_are_compared_whole(void **state)
{
    static const char *const pages[] = {"/", "/a", "/ab", "/a", "/b", "/", "", "/A"};
    struct fixture *fixture = *state;
    char longest[STORE_PAGE_MAX + 1];
    const struct store_entry *entries;
    size_t count;

    memset(longest, 'x', STORE_PAGE_MAX);
    longest[STORE_PAGE_MAX] = '\0';
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        batch_add(fixture->batch, pages[i], strlen(pages[i]), &fixture->visits[i]);
    }
    batch_add(fixture->batch, longest, STORE_PAGE_MAX, &fixture->visits[VISITS_MAX - 1]);
    memset(longest, 'y', STORE_PAGE_MAX); /* the name is the batch's own */
    entries = batch_freeze(fixture->batch, &count);
    assert_int_equal(count, 7);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_in_order_of_arrival),
        cmocka_unit_test(test_who_leaves_and_who_stays),
        TEST(test_an_open_batch_that_all_left_is_empty),
        TEST(test_a_page_that_all_left_comes_back),
        TEST(test_a_frozen_batch_that_all_left_is_not_empty),
        TEST(test_everybody_can_be_made_to_leave),
        TEST(test_takes_visits_only_while_it_was_never_sent),
        TEST(test_takes_a_bounded_number_of_pages),
        TEST(test_a_thawed_batch_lets_visits_take_their_hits_along),
        TEST(test_a_hit_of_a_visit_that_left_in_flight_stays),
        TEST(test_freezing_twice_gives_the_same),
        TEST(test_thawing_takes_the_doubt_away),
        TEST(test_page_names_are_compared_whole),
        cmocka_unit_test(test_destroy_takes_null),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
