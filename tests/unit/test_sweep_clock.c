/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sweep_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DAY_MS UINT64_C(86400000)
#define WALL   (UINT64_C(20000) * DAY_MS)
#define MONO   UINT64_C(5000)
#define AGREED ((uint64_t)SWEEP_AGREED_MS)

static struct sweep_clock begin(uint64_t known_ms)
{
    struct sweep_clock clock;

    sweep_clock_init(&clock, known_ms, WALL, MONO);
    return clock;
}

static void test_is_proven_after_an_hour(void **state)
{
    struct sweep_clock clock = begin(WALL - DAY_MS);

    (void)state;
    assert_false(sweep_clock_is_proven(&clock));
    assert_true(sweep_clock_now_ms(&clock) == WALL - DAY_MS);
    sweep_clock_look(&clock, WALL + AGREED - 1, MONO + AGREED - 1);
    assert_false(sweep_clock_is_proven(&clock));
    sweep_clock_look(&clock, WALL + AGREED, MONO + AGREED);
    assert_true(sweep_clock_is_proven(&clock));
    assert_true(sweep_clock_now_ms(&clock) == WALL + AGREED);
}

static void test_small_steps_are_no_disagreement(void **state)
{
    struct sweep_clock clock = begin(WALL);

    (void)state;
    for (uint64_t minute = 1; minute <= 60; minute++) {
        sweep_clock_look(&clock, WALL + minute * 60000 + minute * 100, MONO + minute * 60000);
    }
    assert_true(sweep_clock_is_proven(&clock));
}

static void test_a_jump_begins_anew(void **state)
{
    static const int64_t jumps_ms[] = {500 * (int64_t)DAY_MS, 11000, -11000, -40 * (int64_t)DAY_MS};

    (void)state;
    for (size_t i = 0; i < sizeof(jumps_ms) / sizeof(jumps_ms[0]); i++) {
        struct sweep_clock clock = begin(WALL);
        uint64_t jumped = WALL + AGREED + jumps_ms[i];

        sweep_clock_look(&clock, WALL + AGREED, MONO + AGREED);
        assert_true(sweep_clock_is_proven(&clock));
        sweep_clock_look(&clock, jumped, MONO + AGREED);
        assert_false(sweep_clock_is_agreed(&clock));
        assert_true(sweep_clock_now_ms(&clock) <= WALL + AGREED);
        sweep_clock_look(&clock, jumped + AGREED, MONO + 2 * AGREED);
        assert_true(sweep_clock_is_agreed(&clock));
        assert_true(sweep_clock_is_proven(&clock) == (jumps_ms[i] < (int64_t)SWEEP_NEAR_MS));
    }
}

/* a clock that was wrong at the start of the process agrees with the monotonic clock too */
static void test_a_far_clock_is_not_proven_by_an_hour(void **state)
{
    struct sweep_clock clock = begin(WALL - 500 * DAY_MS);

    (void)state;
    sweep_clock_look(&clock, WALL + AGREED, MONO + AGREED);
    assert_true(sweep_clock_is_agreed(&clock));
    assert_false(sweep_clock_is_near(&clock));
    assert_false(sweep_clock_is_proven(&clock));
    assert_true(sweep_clock_now_ms(&clock) == WALL - 500 * DAY_MS + AGREED);
    sweep_clock_learn(&clock, WALL - 600 * DAY_MS);
    assert_false(sweep_clock_is_proven(&clock));
    sweep_clock_learn(&clock, WALL - 31 * DAY_MS);
    assert_true(sweep_clock_is_proven(&clock) == false); /* an hour too far */
    sweep_clock_learn(&clock, WALL - 30 * DAY_MS);
    assert_true(sweep_clock_is_proven(&clock));
}

static void test_an_unknown_time_is_the_clocks(void **state)
{
    struct sweep_clock clock = begin(SWEEP_UNKNOWN);

    (void)state;
    assert_true(sweep_clock_now_ms(&clock) == WALL);
    sweep_clock_init(&clock, WALL + DAY_MS, WALL, MONO); /* a later start does not make it later */
    sweep_clock_look(&clock, WALL + 500 * DAY_MS, MONO + 1000);
    assert_true(sweep_clock_now_ms(&clock) == WALL + 1000);
}

static void test_a_clock_that_is_behind(void **state)
{
    struct sweep_clock clock = begin(WALL + 500 * DAY_MS);

    (void)state;
    assert_true(sweep_clock_now_ms(&clock) == WALL);
    assert_true(sweep_clock_latest_ms(&clock) == WALL + 500 * DAY_MS);
    sweep_clock_look(&clock, WALL + AGREED, MONO + AGREED);
    assert_true(sweep_clock_is_proven(&clock));
    assert_true(sweep_clock_latest_ms(&clock) == WALL + AGREED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_proven_after_an_hour),
        cmocka_unit_test(test_small_steps_are_no_disagreement),
        cmocka_unit_test(test_a_jump_begins_anew),
        cmocka_unit_test(test_a_far_clock_is_not_proven_by_an_hour),
        cmocka_unit_test(test_an_unknown_time_is_the_clocks),
        cmocka_unit_test(test_a_clock_that_is_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
