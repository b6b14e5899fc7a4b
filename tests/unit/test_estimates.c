/* SPDX-License-Identifier: MIT */
/* Estimates by themselves: the number in the answer of a visit that is in the journal. */
#include "count/estimates.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct change {
    char what; /* t: the store reports a total; +, -: a batch goes to the journal, or leaves it */
    const char *site;
    const char *page;
    uint64_t number; /* the total, or the hits of the batch */
    uint64_t before; /* +: the page's estimate before the batch; 0: none */
};

static void apply(struct estimates *estimates, const struct change *change)
{
    const struct store_entry entry = {change->page, strlen(change->page), change->number, false};
    const struct store_batch content = {.entries = &entry, .entry_count = 1};
    struct estimate_before before;

    if (change->what == 't') {
        estimates_note_totals(estimates, change->site, &content, &change->number);
    } else if (change->what == '-') {
        estimates_forget_pending(estimates, change->site, &content);
    } else {
        estimates_add_pending(estimates, change->site, &content, &before);
        assert_int_equal(before.total, change->before);
        assert_true((before.since_us == UINT64_MAX) == (change->before == 0));
        assert_true(before.since_us == UINT64_MAX || before.since_us <= clock_monotonic_us());
    }
}

static void test_an_estimate_is_the_last_total_and_what_is_in_the_journal(void **state)
{
    static const struct change changes[] = {
        {'+', "a", "/", 2, 0},  {'t', "a", "/", 10, 0},         {'+', "a", "/", 3, 12},
        {'+', "a", "/x", 1, 0}, {'+', "b", "/", 1, 0},          {'-', "a", "/", 2, 0},
        {'+', "a", "/", 1, 13}, {'t', "a", "/", 12, 0},         {'t', "a", "/", STORE_NONE, 0},
        {'+', "a", "/", 1, 16}, {'t', "b", "/", STORE_NONE, 0}, {'+', "b", "/", 1, 0},
    };
    struct estimates estimates;

    (void)state;
    estimates_init(&estimates);
    for (size_t i = 0; i < COUNT(changes); i++) {
        apply(&estimates, &changes[i]);
    }
    estimates_finish(&estimates);
}

/*
 * Guards: records of a forged journal may exceed 2^64 visits of a page. They must not end the
 * process.
 */
static void test_records_may_say_more_than_can_be_counted(void **state)
{
    static const struct change changes[] = {
        {'+', "a", "/", UINT64_C(1) << 63, 0},
        {'+', "a", "/", UINT64_C(1) << 63, 0},
        {'-', "a", "/", UINT64_C(1) << 63, 0},
        {'-', "a", "/", UINT64_C(1) << 63, 0},
        {'t', "a", "/", 5, 0},
        {'+', "a", "/", 1, 5},
    };
    struct estimates estimates;

    (void)state;
    estimates_init(&estimates);
    for (size_t i = 0; i < COUNT(changes); i++) {
        apply(&estimates, &changes[i]);
    }
    estimates_finish(&estimates);
}

static void test_pages_without_visits_in_the_journal_are_forgotten(void **state)
{
    struct estimates estimates;
    char page[16];

    (void)state;
    estimates_init(&estimates);
    apply(&estimates, &(struct change){'t', "a", "/kept", 7, 0});
    apply(&estimates, &(struct change){'+', "a", "/kept", 1, 7});
    apply(&estimates, &(struct change){'t', "a", "/gone", 7, 0});
    for (int i = 0; i < 10000; i++) {
        snprintf(page, sizeof(page), "/%d", i);
        apply(&estimates, &(struct change){'t', "a", page, 1, 0});
    }
    assert_true(map_count(&estimates.pages) <= 10000);
    apply(&estimates, &(struct change){'+', "a", "/kept", 1, 8});
    apply(&estimates, &(struct change){'+', "a", "/gone", 1, 0});
    estimates_finish(&estimates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_estimate_is_the_last_total_and_what_is_in_the_journal),
        cmocka_unit_test(test_records_may_say_more_than_can_be_counted),
        cmocka_unit_test(test_pages_without_visits_in_the_journal_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
