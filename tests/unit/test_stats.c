/* SPDX-License-Identifier: MIT */
#include "count/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES 5000

/* --- buckets --- */

static int bucket_of(uint64_t latency_us)
{
    struct stats stats = {0};

    stats_add_latency(&stats, latency_us);
    for (int i = 0; i < STATS_BUCKETS; i++) {
        if (stats.latency_buckets[i] != 0) {
            return i;
        }
    }
    return -1;
}

static void test_buckets_join_without_a_gap(void **state)
{
    (void)state;
    assert_int_equal(bucket_of(0), 0);
    for (int i = 0; i + 1 < STATS_BUCKETS; i++) {
        uint64_t limit_us = stats_bucket_limit_us(i);

        assert_true(limit_us < stats_bucket_limit_us(i + 1));
        assert_int_equal(bucket_of(limit_us), i);
        assert_int_equal(bucket_of(limit_us + 1), i + 1);
    }
}

static void test_the_last_bucket_takes_the_rest(void **state)
{
    static const uint64_t rows[] = {UINT64_C(1) << 27, UINT64_C(1) << 40, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(bucket_of(rows[i]), STATS_BUCKETS - 1);
    }
    /* times longer than the default timeout are well below the last bucket */
    assert_true(bucket_of(60 * UINT64_C(1000000)) < STATS_BUCKETS - 1);
}

static void test_a_bucket_is_at_most_a_quarter_wide(void **state)
{
    (void)state;
    for (int i = 1; i < STATS_BUCKETS; i++) {
        uint64_t first_us = stats_bucket_limit_us(i - 1) + 1;

        assert_true(stats_bucket_limit_us(i) - first_us <= first_us / 4);
    }
}

/* --- percentiles --- */

static uint64_t draw_uniform(unsigned *seed)
{
    return (uint64_t)rand_r(seed) % 100000;
}

static uint64_t draw_constant(unsigned *seed)
{
    (void)seed;
    return 1234;
}

static uint64_t draw_long_tail(unsigned *seed)
{
    return 100000000 / (uint64_t)(1 + rand_r(seed) % 1000000);
}

static uint64_t draw_two_humps(unsigned *seed)
{
    return rand_r(seed) % 10 == 0 ? 2000000 : 90;
}

static uint64_t draw_tiny(unsigned *seed)
{
    return (uint64_t)rand_r(seed) % 4;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

/* the smallest sample that `percent` of all samples do not exceed */
static uint64_t exact(const uint64_t *sorted, double percent)
{
    double wanted = SAMPLES * percent / 100;
    size_t rank = 1;

    while ((double)rank < wanted) {
        rank++;
    }
    return sorted[rank - 1];
}

static void test_percentiles_are_near_the_exact_ones(void **state)
{
    static const struct {
        const char *name;
        uint64_t (*draw)(unsigned *seed);
    } rows[] = {
        {"uniform", draw_uniform},     {"constant", draw_constant}, {"long tail", draw_long_tail},
        {"two humps", draw_two_humps}, {"tiny", draw_tiny},
    };
    static const double percents[] = {0, 1, 25, 50, 75, 90, 95, 99, 99.9, 100};
    static uint64_t samples[SAMPLES];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stats stats = {0};
        unsigned seed = 1;
        uint64_t sum_us = 0;

        for (size_t j = 0; j < SAMPLES; j++) {
            samples[j] = rows[i].draw(&seed);
            sum_us += samples[j];
            stats_add_latency(&stats, samples[j]);
        }
        assert_true(stats.latency_count == SAMPLES);
        assert_true(stats.latency_sum_us == sum_us);
        qsort(samples, SAMPLES, sizeof(samples[0]), compare);
        for (size_t j = 0; j < sizeof(percents) / sizeof(percents[0]); j++) {
            uint64_t expected = exact(samples, percents[j]);
            uint64_t reported = stats_latency_us(&stats, percents[j]);

            if (reported < expected || reported > expected + expected / 4) {
                fail_msg("%s: %g %%: %llu us, exact %llu us", rows[i].name, percents[j],
                         (unsigned long long)reported, (unsigned long long)expected);
            }
        }
    }
}

static void test_without_visits_there_is_no_latency(void **state)
{
    struct stats stats = {0};

    (void)state;
    assert_true(stats_latency_us(&stats, 50) == 0);
    assert_true(stats_latency_us(&stats, 100) == 0);
}

static void test_one_visit_is_every_percentile(void **state)
{
    struct stats stats = {0};

    (void)state;
    stats_add_latency(&stats, 1000);
    assert_true(stats_latency_us(&stats, 0) == stats_latency_us(&stats, 100));
    assert_in_range(stats_latency_us(&stats, 50), 1000, 1250);
}

/* --- rate --- */

static void test_rate(void **state)
{
    /* visits at one time; then the rate at another time */
    static const struct {
        const char *what;
        struct {
            uint64_t at_ms;
            uint64_t visits;
        } added[14];
        uint64_t now_ms;
        double rate;
    } rows[] = {
        {"nothing", {{0, 0}}, 100000, 0},
        {"the current second is not over", {{100000, 50}}, 100999, 0},
        {"the next one counts it", {{100000, 50}}, 101000, 5},
        {"several in one second", {{100000, 20}, {100500, 10}, {100999, 20}}, 101000, 5},
        {"the tenth second back still counts", {{100000, 50}}, 110999, 5},
        {"the eleventh does not", {{100000, 50}}, 111000, 0},
        {"steady",
         {{100000, 7},
          {101000, 7},
          {102000, 7},
          {103000, 7},
          {104000, 7},
          {105000, 7},
          {106000, 7},
          {107000, 7},
          {108000, 7},
          {109000, 7}},
         110000,
         7},
        {"the window moves on",
         {{100000, 90},
          {101000, 7},
          {102000, 7},
          {103000, 7},
          {104000, 7},
          {105000, 7},
          {106000, 7},
          {107000, 7},
          {108000, 7},
          {109000, 7},
          {110000, 7},
          {111000, 1000}},
         111500,
         7},
        {"a slot used again forgets what was in it", {{100000, 50}, {111000, 30}}, 112000, 3},
        {"the clock begins at zero", {{0, 50}, {1000, 50}}, 2000, 10},
        {"the first second", {{0, 50}}, 500, 0},
        {"a long pause", {{100000, 50}, {9000000, 20}}, 9001000, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stats stats = {0};
        uint64_t visits = 0;
        double rate;

        for (size_t j = 0; rows[i].added[j].visits != 0; j++) {
            stats_add_applied(&stats, rows[i].added[j].visits, rows[i].added[j].at_ms);
            visits += rows[i].added[j].visits;
        }
        rate = stats_rate(&stats, rows[i].now_ms);
        if (rate < rows[i].rate - 1e-9 || rate > rows[i].rate + 1e-9) {
            fail_msg("%s: %g visits/s, not %g", rows[i].what, rate, rows[i].rate);
        }
        assert_true(stats.applied == visits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_join_without_a_gap),
        cmocka_unit_test(test_the_last_bucket_takes_the_rest),
        cmocka_unit_test(test_a_bucket_is_at_most_a_quarter_wide),
        cmocka_unit_test(test_percentiles_are_near_the_exact_ones),
        cmocka_unit_test(test_without_visits_there_is_no_latency),
        cmocka_unit_test(test_one_visit_is_every_percentile),
        cmocka_unit_test(test_rate),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
