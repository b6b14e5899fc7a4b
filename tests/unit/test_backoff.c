/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRAWS 2000

static void test_limits_double_up_to_the_last(void **state)
{
    static const struct {
        unsigned failures;
        uint64_t limit_ms;
    } rows[] = {
        {0, 50},   {1, 100},  {2, 200},  {3, 400},   {4, 800},         {5, 1600},
        {6, 3200}, {7, 5000}, {8, 5000}, {63, 5000}, {UINT_MAX, 5000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t highest = 0;

        for (int draw = 0; draw < DRAWS; draw++) {
            struct backoff backoff = {.failures = rows[i].failures};
            uint64_t delay_ms = backoff_next_ms(&backoff);

            assert_in_range(delay_ms, 1, rows[i].limit_ms);
            highest = delay_ms > highest ? delay_ms : highest;
        }
        /* reached, or nearly: chance of a miss below 1e-40 */
        assert_true(highest * 20 > rows[i].limit_ms * 19);
    }
}

static void test_each_failure_counts_until_the_reset(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(backoff.failures, i);
        backoff_next_ms(&backoff);
    }
    backoff_reset(&backoff);
    for (int i = 0; i < DRAWS; i++) {
        backoff_reset(&backoff);
        assert_in_range(backoff_next_ms(&backoff), 1, BACKOFF_FIRST_MS);
    }
}

/* full jitter: every delay up to the limit is as likely as any other */
static void test_delays_are_spread_evenly(void **state)
{
    unsigned tenths[10] = {0};
    uint64_t sum = 0;

    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        struct backoff backoff = {.failures = 20};
        uint64_t delay_ms = backoff_next_ms(&backoff);

        tenths[(delay_ms - 1) * 10 / BACKOFF_MAX_MS]++;
        sum += delay_ms;
    }
    /* ten and more standard deviations on either side */
    assert_in_range(sum / DRAWS, BACKOFF_MAX_MS * 43 / 100, BACKOFF_MAX_MS * 57 / 100);
    for (int i = 0; i < 10; i++) {
        assert_in_range(tenths[i], DRAWS / 10 / 3, DRAWS / 10 * 2);
    }
}

static void test_random_bytes_fills_all_of_it(void **state)
{
    /* more than getrandom(2) gives at once when it is interrupted, and with a tail */
    size_t length = 3 * 1024 * 1024 + 7;
    unsigned char *bytes = calloc(1, length + 1);
    unsigned seen[256] = {0};

    (void)state;
    assert_non_null(bytes);
    random_bytes(bytes, 0);
    assert_int_equal(bytes[0], 0);
    random_bytes(bytes, length);
    assert_int_equal(bytes[length], 0);
    for (size_t i = 0; i < length; i++) {
        seen[bytes[i]]++;
    }
    for (int i = 0; i < 256; i++) {
        assert_in_range(seen[i], length / 256 * 9 / 10, length / 256 * 11 / 10);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_double_up_to_the_last),
        cmocka_unit_test(test_each_failure_counts_until_the_reset),
        cmocka_unit_test(test_delays_are_spread_evenly),
        cmocka_unit_test(test_random_bytes_fills_all_of_it),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
