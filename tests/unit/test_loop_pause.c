/* SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PAUSE_MS 200
#define SHORT_MS 50

struct fixture {
    struct loop *loop;
    struct loop_timer patience;
    struct loop_timer plain;
    struct loop_task pause;
    int pauses;          /* pauses still to come, one in each turn */
    uint64_t lost_ms[4]; /* before each pause, and after the last one */
    uint64_t expired_at_ms;
    char trace[8];
};

/* a suspended process cannot tell the reason: it was stopped, or slept in a call */
static void stand_still(void)
{
    struct timespec pause = {0, PAUSE_MS * 1000000L};

    assert_int_equal(nanosleep(&pause, NULL), 0);
}

static void on_patience(struct loop_timer *timer)
{
    struct fixture *fixture = container_of(timer, struct fixture, patience);

    strcat(fixture->trace, "p");
    fixture->expired_at_ms = clock_monotonic_ms();
    loop_stop(fixture->loop);
}

static void on_plain(struct loop_timer *timer)
{
    strcat(container_of(timer, struct fixture, plain)->trace, "t");
}

static void on_pause(struct loop_task *task)
{
    struct fixture *fixture = container_of(task, struct fixture, pause);

    fixture->lost_ms[3 - fixture->pauses] = loop_lost_ms(fixture->loop);
    if (fixture->pauses-- == 0) {
        loop_stop(fixture->loop);
        return;
    }
    stand_still();
    loop_task_schedule(fixture->loop, task);
}

static void on_one_pause(struct loop_task *task)
{
    (void)task;
    stand_still();
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->loop = loop_create();
    loop_timer_init(&fixture->patience, on_patience);
    loop_timer_init(&fixture->plain, on_plain);
    loop_task_init(&fixture->pause, on_one_pause);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    loop_timer_stop(&fixture->patience);
    loop_timer_stop(&fixture->plain);
    loop_destroy(fixture->loop);
    free(fixture);
    return 0;
}

static void test_a_pause_puts_off_who_waits_for_an_answer(void **state)
{
    struct fixture *fixture = *state;
    uint64_t began_at_ms = clock_monotonic_ms();

    loop_timer_start_patience(fixture->loop, &fixture->patience, SHORT_MS);
    loop_timer_start(fixture->loop, &fixture->plain, SHORT_MS + 10);
    loop_task_schedule(fixture->loop, &fixture->pause);
    loop_run(fixture->loop);
    assert_string_equal(fixture->trace, "tp");
    assert_true(fixture->expired_at_ms - began_at_ms >= PAUSE_MS + SHORT_MS - 1);
}

static void test_the_clock_of_waits_stands_still_in_a_pause(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before_ms = loop_patience_ms(fixture->loop);

    stand_still();
    assert_int_equal(loop_patience_ms(fixture->loop), before_ms);
    assert_true(loop_lost_ms(fixture->loop) >= PAUSE_MS - 1);
}

/* guards: on a loop that is always late, no visit would ever be answered */
static void test_two_turns_in_a_row_are_not_both_pauses(void **state)
{
    struct fixture *fixture = *state;

    loop_task_init(&fixture->pause, on_pause);
    fixture->pauses = 3;
    loop_task_schedule(fixture->loop, &fixture->pause);
    loop_run(fixture->loop);
    assert_true(fixture->lost_ms[1] - fixture->lost_ms[0] >= PAUSE_MS - 1);
    assert_int_equal(fixture->lost_ms[2], fixture->lost_ms[1]);
    assert_true(fixture->lost_ms[3] - fixture->lost_ms[2] >= PAUSE_MS - 1);
}

static void test_sleep_is_no_pause(void **state)
{
    struct fixture *fixture = *state;
    uint64_t began_at_ms = clock_monotonic_ms();

    loop_timer_start_patience(fixture->loop, &fixture->patience, PAUSE_MS);
    loop_run(fixture->loop);
    assert_true(loop_lost_ms(fixture->loop) + PAUSE_MS <= clock_monotonic_ms() - began_at_ms + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        TEST(test_a_pause_puts_off_who_waits_for_an_answer),
        TEST(test_the_clock_of_waits_stands_still_in_a_pause),
        TEST(test_two_turns_in_a_row_are_not_both_pauses),
        TEST(test_sleep_is_no_pause),
    };

    return cmocka_run_group_tests_name("loop_pause", tests, NULL, NULL);
}
