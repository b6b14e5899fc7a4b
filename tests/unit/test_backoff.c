/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"
#include "base/random.h"

#include "support/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRAWS 2000

/* the longest of many delays after the same failure */
static uint64_t longest_delay_ms(const struct backoff *backoff)
{
    uint64_t longest = 0;

    for (int draw = 0; draw < DRAWS; draw++) {
        struct backoff copy = *backoff;
        uint64_t delay_ms = backoff_next_ms(&copy);

        assert_true(delay_ms >= 1);
        longest = delay_ms > longest ? delay_ms : longest;
    }
    return longest;
}

/*
 * Checks the limit of the next delay. The longest delay comes close to it; the chance of a miss is
 * below 1e-40.
 */
static void check_limit(const struct backoff *backoff, uint64_t limit_ms)
{
    uint64_t longest_ms = longest_delay_ms(backoff);

    assert_in_range(longest_ms, limit_ms * 19 / 20, limit_ms);
}

static void test_limits_double_up_to_half_a_second_and_after_a_minute_to_five(void **state)
{
    static const uint64_t early_ms[] = {50, 100, 200, 400, 500, 500, 500};
    static const uint64_t late_ms[] = {800, 1600, 3200, 5000, 5000, 5000};
    struct backoff backoff = {0};

    (void)state;
    fake_clock_stop(1000000, 0);
    for (size_t i = 0; i < sizeof(early_ms) / sizeof(early_ms[0]); i++) {
        check_limit(&backoff, early_ms[i]);
        backoff_next_ms(&backoff);
    }
    fake_clock_advance(BACKOFF_EARLY_MS - 1);
    check_limit(&backoff, 500);
    fake_clock_advance(1);
    for (size_t i = 0; i < sizeof(late_ms) / sizeof(late_ms[0]); i++) {
        check_limit(&backoff, late_ms[i]);
        backoff_next_ms(&backoff);
    }
    fake_clock_advance(86400000);
    check_limit(&backoff, 5000);
    fake_clock_release();
}

/* guards: many failures in the first minute made the first delay after it the longest */
static void test_the_limit_grows_slowly_after_the_first_minute(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    fake_clock_stop(1, 0);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(backoff_next_ms(&backoff), 1, BACKOFF_EARLY_MAX_MS);
    }
    fake_clock_advance(BACKOFF_EARLY_MS);
    check_limit(&backoff, 800);
    fake_clock_release();
}

static void test_a_reset_begins_another_minute(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    fake_clock_stop(1000000, 0);
    backoff_next_ms(&backoff);
    fake_clock_advance(10 * BACKOFF_EARLY_MS);
    for (int i = 0; i < 20; i++) {
        backoff_next_ms(&backoff);
    }
    check_limit(&backoff, BACKOFF_MAX_MS);
    backoff_reset(&backoff);
    check_limit(&backoff, BACKOFF_FIRST_MS);
    for (int i = 0; i < 20; i++) {
        backoff_next_ms(&backoff);
    }
    check_limit(&backoff, BACKOFF_EARLY_MAX_MS);
    fake_clock_release();
}

/* full jitter: every delay up to the limit is as likely as any other */
static void test_delays_are_spread_evenly(void **state)
{
    unsigned tenths[10] = {0};
    uint64_t sum = 0;

    (void)state;
    fake_clock_stop(10 * BACKOFF_EARLY_MS, 0);
    for (int i = 0; i < DRAWS; i++) {
        struct backoff backoff = {.doublings = 20, .began_at_ms = 1};
        uint64_t delay_ms = backoff_next_ms(&backoff);

        tenths[(delay_ms - 1) * 10 / BACKOFF_MAX_MS]++;
        sum += delay_ms;
    }
    /* ten and more standard deviations on either side */
    assert_in_range(sum / DRAWS, BACKOFF_MAX_MS * 43 / 100, BACKOFF_MAX_MS * 57 / 100);
    for (int i = 0; i < 10; i++) {
        assert_in_range(tenths[i], DRAWS / 10 / 3, DRAWS / 10 * 2);
    }
    fake_clock_release();
}

static void test_random_bytes_fills_all_of_it(void **state)
{
    /* more than an interrupted getrandom(2) returns at once, and a length with a remainder */
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
        cmocka_unit_test(test_limits_double_up_to_half_a_second_and_after_a_minute_to_five),
        cmocka_unit_test(test_the_limit_grows_slowly_after_the_first_minute),
        cmocka_unit_test(test_a_reset_begins_another_minute),
        cmocka_unit_test(test_delays_are_spread_evenly),
        cmocka_unit_test(test_random_bytes_fills_all_of_it),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
