/* SPDX-License-Identifier: MIT */
#include "http/admin/metrics.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAME_MAX_LENGTH 100

static struct stats example_stats(void)
{
    struct stats stats = {
        .accepted = 60,
        .applied = 42,
        .refused = 7,
        .duplicate_visits = 3,
        .journaled = 4,
        .resent_visits = 12,
        .lost = 13,
        .unknown = 1,
        .waiting = 10,
        .batches = 5,
        .latency_sum_us = 1500042,
    };

    for (int i = 0; i < STATS_BUCKETS; i++) {
        stats.latency_buckets[i] = 1;
    }
    stats.latency_count = STATS_BUCKETS;
    return stats;
}

/** All metrics of an instance whose values are all known. The caller finishes the buffer. */
static struct buf write_example(void)
{
    struct stats stats = example_stats();
    struct store_health health = {
        .backend = "redis",
        .available = true,
        .round_trip_us = 312,
        .commands = 9,
        .connects = 2,
        .in_flight = 1,
    };
    struct novelty_stats novelty = {.refused_pages = 21, .ignored_visitors = 22};
    struct password_guard_stats passwords = {23, 24, 25};
    struct fullness_view fullness = {.nearly_full_count = 26,
                                     .fullest_pages = 3,
                                     .fullest_pages_max = 4,
                                     .sites = 1,
                                     .sites_max = 8};
    struct metrics_facts facts = {
        .novelty = &novelty,
        .passwords = &passwords,
        .fullness = &fullness,
        .version = "1.2.3",
        .stats = &stats,
        .store = &health,
        .failing_ms = 2500,
        .failing_sites = 3,
        .torn_sites = 2,
        .site_failing_ms = 1250,
        .salt_failing_ms = 61000,
        .process = {.start_time_ms = 1700000000123, .cpu_us = 2000001, .max_fds = 1024},
        .is_draining = false,
        .open_connections = 3,
        .accepted_connections = 30,
        .requests = 300,
    };
    struct buf out = BUF_EMPTY;

    metrics_write(&facts, &out);
    return out;
}

static void assert_line(const struct buf *out, const char *line)
{
    struct buf wanted = BUF_EMPTY;

    buf_printf(&wanted, "\n%s\n", line);
    if (strstr(out->bytes, wanted.bytes) == NULL) {
        fail_msg("no line \"%s\" in:\n%s", line, out->bytes);
    }
    buf_finish(&wanted);
}

static void test_values(void **state)
{
    struct buf out = write_example();

    (void)state;
    assert_line(&out, "visitcountd_build_info{version=\"1.2.3\"} 1");
    assert_line(&out, "visitcountd_visits_total{result=\"applied\"} 42");
    assert_line(&out, "visitcountd_visits_total{result=\"refused\"} 7");
    assert_line(&out, "visitcountd_visits_total{result=\"repeated\"} 3");
    assert_line(&out, "visitcountd_visits_total{result=\"journaled\"} 4");
    assert_line(&out, "visitcountd_visits_healed_total 12");
    assert_line(&out, "visitcountd_visits_lost_total 13");
    assert_line(&out, "visitcountd_budget_refusals_total{budget=\"pages\"} 21");
    assert_line(&out, "visitcountd_visitors_ignored_total 22");
    assert_line(&out, "visitcountd_nearly_full_sites 26");
    assert_line(&out, "visitcountd_fullest_site_ratio 0.7500");
    assert_line(&out, "visitcountd_sites_ratio 0.1250");
    assert_line(&out, "visitcountd_dashboard_wrong_passwords_total 23");
    assert_line(&out, "visitcountd_dashboard_delayed_attempts_total 24");
    assert_line(&out, "visitcountd_dashboard_refused_attempts_total 25");
    assert_line(&out, "visitcountd_visits_total{result=\"unknown\"} 1");
    assert_line(&out, "visitcountd_visits_waiting 10");
    assert_line(&out, "visitcountd_batches_total 5");
    assert_line(&out, "visitcountd_store_up{backend=\"redis\"} 1");
    assert_line(&out, "visitcountd_store_failing_seconds 2.500000");
    assert_line(&out, "visitcountd_store_failing_sites 3");
    assert_line(&out, "visitcountd_torn_sites 2");
    assert_line(&out, "visitcountd_sites_failing_seconds 1.250000");
    assert_line(&out, "visitcountd_salt_failing_seconds 61.000000");
    assert_line(&out, "visitcountd_store_commands_total 9");
    assert_line(&out, "visitcountd_store_round_trip_seconds 0.000312");
    assert_line(&out, "visitcountd_connections 3");
    assert_line(&out, "visitcountd_connections_accepted_total 30");
    assert_line(&out, "visitcountd_http_requests_total 300");
    assert_line(&out, "process_start_time_seconds 1700000000.123");
    assert_line(&out, "process_cpu_seconds_total 2.000001");
    assert_line(&out, "process_max_fds 1024");
    buf_finish(&out);
}

/* every bucket of the statistics has one visit, so each line counts more than the one before */
static void test_histogram_is_cumulative(void **state)
{
    struct buf out = write_example();
    const char *at = out.bytes;
    uint64_t last_count = 0;
    double last_limit = 0;
    double limit;
    uint64_t count;
    int buckets = 0;

    (void)state;
    while ((at = strstr(at, "_bucket{le=\"")) != NULL &&
           sscanf(at, "_bucket{le=\"%lf\"} %" SCNu64, &limit, &count) == 2) {
        if (strstr(at, "+Inf") != at + strlen("_bucket{le=\"")) {
            assert_true(limit > last_limit);
            last_limit = limit;
        }
        assert_true(count > last_count);
        last_count = count;
        buckets++;
        at++;
    }
    assert_in_range(buckets, 10, 30);
    assert_int_equal(last_count, STATS_BUCKETS);
    assert_line(&out, "visitcountd_visit_duration_seconds_bucket{le=\"+Inf\"} 104");
    assert_line(&out, "visitcountd_visit_duration_seconds_count 104");
    assert_line(&out, "visitcountd_visit_duration_seconds_sum 1.500042");
    buf_finish(&out);
}

/* each limit is that of a bucket of the statistics, whose latencies are rounded down to whole us */
static void test_histogram_limits_are_true(void **state)
{
    struct buf out = write_example();
    const char *at = out.bytes;
    uint64_t seconds;
    uint64_t us;
    uint64_t count;

    (void)state;
    while ((at = strstr(at, "_bucket{le=\"")) != NULL) {
        if (sscanf(at, "_bucket{le=\"%" SCNu64 ".%" SCNu64 "\"} %" SCNu64, &seconds, &us, &count) ==
            3) {
            assert_int_equal(stats_bucket_limit_us((int)count - 1) + 1, seconds * 1000000 + us);
        }
        at++;
    }
    buf_finish(&out);
}

/** Checks one line. `family` is the name of the last TYPE line; samples must belong to it. */
static void check_line(const char *line, char family[NAME_MAX_LENGTH])
{
    char name[NAME_MAX_LENGTH];
    char type[NAME_MAX_LENGTH];
    size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz_");

    if (sscanf(line, "# HELP %99s", name) == 1) {
        assert_null(strchr(line, '\\'));
        assert_string_not_equal(name, family);
    } else if (sscanf(line, "# TYPE %99s %99s", name, type) == 2) {
        size_t name_length = strlen(name);
        bool is_total = name_length > 6 && strcmp(name + name_length - 6, "_total") == 0;

        assert_true(is_total == (strcmp(type, "counter") == 0));
        strcpy(family, name);
    } else {
        assert_true(length >= strlen(family));
        assert_memory_equal(line, family, strlen(family));
        assert_true(line[length] == ' ' || line[length] == '{');
        assert_non_null(strrchr(line, ' '));
        assert_int_not_equal(strspn(strrchr(line, ' '), " 0123456789."), 1);
    }
}

static void test_form(void **state)
{
    struct buf out = write_example();
    char family[NAME_MAX_LENGTH] = "";
    char *rest = out.bytes;

    (void)state;
    assert_int_equal(out.bytes[out.length - 1], '\n');
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        check_line(line, family);
    }
    buf_finish(&out);
}

static void test_process(void **state)
{
    struct metrics_process first;
    struct metrics_process second;
    FILE *file;

    (void)state;
    metrics_read_process(&first);
    file = fopen("/dev/null", "r");
    assert_non_null(file);
    metrics_read_process(&second);
    fclose(file);
    assert_int_equal(second.open_fds, first.open_fds + 1);
    assert_true(first.start_time_ms > UINT64_C(1600000000000));
    assert_int_equal(second.start_time_ms, first.start_time_ms);
    assert_true(first.resident_bytes > 0);
    assert_true(first.virtual_bytes >= first.resident_bytes);
    assert_true(second.cpu_us >= first.cpu_us);
    assert_true(first.max_fds > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_histogram_is_cumulative),
        cmocka_unit_test(test_histogram_limits_are_true),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
