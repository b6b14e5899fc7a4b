/* SPDX-License-Identifier: MIT */
#include "http/visit/trouble.h"

#include "base/log.h"
#include "support/fake_clock.h"
#include "support/log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1000000
#define WARNING  "warning store: the question: refused"

/* a store that only reports whether it is available */
struct fixture {
    struct store store;
    struct loop *loop;
    bool is_away;
    uint64_t changed_at_ms;
    struct trouble trouble;
};

static struct fixture fixture;

static void tell_health(struct store *store, struct store_health *ret_health)
{
    (void)store;
    *ret_health = (struct store_health){.available = !fixture.is_away,
                                        .changed_at_ms = fixture.changed_at_ms};
}

static const struct store_operations operations = {.health = tell_health};

static int setup(void **state)
{
    (void)state;
    fake_clock_stop(START_MS, START_MS);
    fixture = (struct fixture){.store = {.operations = &operations}, .loop = loop_create()};
    trouble_init(&fixture.trouble, fixture.loop, &fixture.store, "the question", "nothing works");
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_clock_release();
    loop_destroy(fixture.loop);
    return 0;
}

/* a refusal every `step_ms` for `duration_ms`; returns the number of warnings */
static size_t refuse_for(uint64_t duration_ms, uint64_t step_ms)
{
    size_t warnings = 0;

    for (uint64_t passed_ms = 0; passed_ms <= duration_ms; passed_ms += step_ms) {
        log_capture_begin();
        trouble_note(&fixture.trouble, "OOM of the test");
        warnings += count_in_text(log_capture_end(), WARNING);
        fake_clock_advance(step_ms);
    }
    return warnings;
}

static void test_it_is_warned_of_after_a_second_then_once_a_minute(void **state)
{
    (void)state;
    assert_int_equal(refuse_for(900, 100), 0);
    log_capture_begin();
    trouble_note(&fixture.trouble, "OOM of the test");
    assert_non_null(strstr(log_capture_end(), WARNING " for 1s: OOM of the test; asking again, "
                                                      "until then nothing works\n"));
    assert_int_equal(refuse_for(59000, 1000), 0);
    assert_int_equal(refuse_for(180000, 1000), 4);
}

static void test_its_end_is_told_where_it_was_warned_of(void **state)
{
    struct trouble_view view;

    (void)state;
    assert_int_equal(refuse_for(2000, 500), 1);
    assert_true(trouble_view(&fixture.trouble, &view));
    assert_int_equal(view.lasted_ms, 2500);
    assert_string_equal(view.reason, "OOM of the test");
    log_capture_begin();
    trouble_end(&fixture.trouble);
    trouble_end(&fixture.trouble);
    assert_int_equal(count_in_text(log_capture_end(), "the question: answered again, after 2s"), 1);
    assert_false(trouble_view(&fixture.trouble, &view));
    assert_int_equal(refuse_for(500, 100), 0);
    log_capture_begin();
    trouble_end(&fixture.trouble);
    assert_string_equal(log_capture_end(), "");
}

static void test_a_store_that_is_away_is_no_trouble(void **state)
{
    struct trouble_view view;

    (void)state;
    refuse_for(1000, 100);
    fixture.is_away = true;
    fixture.changed_at_ms = loop_now_ms(fixture.loop);
    assert_false(trouble_view(&fixture.trouble, &view));
    assert_int_equal(refuse_for(5000, 100), 0);
    fixture.is_away = false;
    fixture.changed_at_ms = loop_now_ms(fixture.loop);
    assert_false(trouble_view(&fixture.trouble, &view));
    trouble_note(&fixture.trouble, "LOADING");
    assert_true(trouble_view(&fixture.trouble, &view));
    assert_int_equal(view.lasted_ms, 0); /* since the store came back */
}

static void test_what_nobody_asked_for_a_minute_is_not_known(void **state)
{
    struct trouble_view view;

    (void)state;
    refuse_for(1000, 100);
    fake_clock_advance(61000);
    assert_false(trouble_view(&fixture.trouble, &view));
    trouble_note(&fixture.trouble, "again");
    assert_true(trouble_view(&fixture.trouble, &view));
    assert_int_equal(view.lasted_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        TEST(test_it_is_warned_of_after_a_second_then_once_a_minute),
        TEST(test_its_end_is_told_where_it_was_warned_of),
        TEST(test_a_store_that_is_away_is_no_trouble),
        TEST(test_what_nobody_asked_for_a_minute_is_not_known),
    };

    return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
