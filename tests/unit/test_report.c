/* SPDX-License-Identifier: MIT */
#include "base/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** Runs `fill` for a form and compares the output. */
static void assert_report(void (*fill)(struct report *report), enum report_form form,
                          const char *expected)
{
    struct report report;
    struct buf out = BUF_EMPTY;

    report_init(&report, form);
    fill(&report);
    report_finish(&report, &out);
    assert_string_equal(out.bytes, expected);
    buf_finish(&out);
}

static void fill_nothing(struct report *report)
{
    (void)report;
}

static void test_empty(void **state)
{
    (void)state;
    assert_report(fill_nothing, REPORT_JSON, "{}\n");
}

static void test_empty_text(void **state)
{
    struct report report;
    struct buf out = BUF_EMPTY;

    (void)state;
    report_init(&report, REPORT_TEXT);
    report_finish(&report, &out);
    assert_int_equal(out.length, 0);
    buf_finish(&out);
}

static void fill_sections(struct report *report)
{
    report_text(report, "instance", "1");
    report_duration(report, "uptime", UINT64_C(273600000));
    report_begin_section(report, "store");
    report_text(report, "state", "ready");
    report_latency(report, "round_trip", 312);
    report_begin_section(report, "more");
    report_bool(report, "deep", true);
    report_end_section(report);
    report_u64(report, "commands", UINT64_MAX);
    report_end_section(report);
    report_bool(report, "ready", false);
}

static void test_sections(void **state)
{
    (void)state;
    assert_report(fill_sections, REPORT_TEXT,
                  "instance      1\n"
                  "uptime        3d 4h\n"
                  "\n"
                  "store\n"
                  "  state       ready\n"
                  "  round trip  312 us\n"
                  "  more\n"
                  "    deep      yes\n"
                  "  commands    18446744073709551615\n"
                  "ready         no\n");
    assert_report(fill_sections, REPORT_JSON,
                  "{\"instance\":\"1\",\"uptime_s\":273600,\"store\":{\"state\":\"ready\","
                  "\"round_trip_us\":312,\"more\":{\"deep\":true},"
                  "\"commands\":18446744073709551615},\"ready\":false}\n");
}

static void fill_line(struct report *report)
{
    report_text(report, "instance", "a\tb\nc");
    report_duration(report, "uptime", 61000);
    report_latency(report, "latency_p99", 312);
    report_text(report, "trouble", NULL);
}

/** No value contains an unescaped separator. */
static void test_line(void **state)
{
    (void)state;
    assert_report(fill_line, REPORT_LINE,
                  "instance\tuptime\tlatency p99\ttrouble\n"
                  "a?b?c\t1m 1s\t312 us\t-\n");
}

static void fill_list(struct report *report)
{
    report_begin_list(report, "listeners");
    report_begin_section(report, NULL);
    report_text(report, "kind", "visitors");
    report_text(report, "address", "127.0.0.1:8080");
    report_bool(report, "inherited", false);
    report_end_section(report);
    report_begin_section(report, NULL);
    report_text(report, "kind", "admin");
    report_text(report, "address", "unix:/a");
    report_bool(report, "inherited", true);
    report_end_section(report);
    report_end_list(report);
    report_begin_list(report, "none");
    report_end_list(report);
    report_u64(report, "after", 1);
}

static void test_list(void **state)
{
    (void)state;
    assert_report(fill_list, REPORT_TEXT,
                  "listeners\n"
                  "  visitors  127.0.0.1:8080\n"
                  "  admin     unix:/a  inherited\n"
                  "\n"
                  "none\n"
                  "after       1\n");
    assert_report(fill_list, REPORT_JSON,
                  "{\"listeners\":[{\"kind\":\"visitors\",\"address\":\"127.0.0.1:8080\","
                  "\"inherited\":false},{\"kind\":\"admin\",\"address\":\"unix:/a\","
                  "\"inherited\":true}],\"none\":[],\"after\":1}\n");
}

static void fill_lines(struct report *report)
{
    report_lines(report, "changes", "log.level: info -> debug\n\nsites: a -> a,b");
    report_lines(report, "nothing", "");
}

static void test_lines(void **state)
{
    (void)state;
    assert_report(fill_lines, REPORT_TEXT,
                  "changes  log.level: info -> debug\n"
                  "         sites: a -> a,b\n");
    assert_report(fill_lines, REPORT_JSON,
                  "{\"changes\":[\"log.level: info -> debug\",\"sites: a -> a,b\"],"
                  "\"nothing\":[]}\n");
}

static void fill_unknown(struct report *report)
{
    report_text(report, "null", NULL);
    report_text(report, "empty", "");
    report_ratio(report, "nan", NAN);
    report_ratio(report, "infinite", INFINITY);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_report(fill_unknown, REPORT_TEXT,
                  "null      -\n"
                  "empty     -\n"
                  "nan       -\n"
                  "infinite  -\n");
    assert_report(fill_unknown, REPORT_JSON,
                  "{\"null\":null,\"empty\":null,\"nan\":null,\"infinite\":null}\n");
}

/* control characters must not reach a terminal: ESC, DEL, and C1 as UTF-8 and as a single byte */
static void fill_hostile(struct report *report)
{
    report_text(report, "a", "\033[31mred\n");
    report_text(report, "b", "\x7f\xc2\x9b\x9b");
    report_text(report, "c", "\xc3\xa9\xe2\x82\xac");
}

static void test_hostile_text(void **state)
{
    (void)state;
    assert_report(fill_hostile, REPORT_TEXT,
                  "a  ?[31mred?\n"
                  "b  ?\\u009b?\n"
                  "c  \xc3\xa9\xe2\x82\xac\n");
}

static void fill_wide(struct report *report)
{
    report_begin_list(report, "pages");
    report_begin_section(report, NULL);
    report_text(report, "page", "/\xc3\xa9\xc3\xa9");
    report_u64(report, "count", 1);
    report_end_section(report);
    report_begin_section(report, NULL);
    report_text(report, "page", "/abcd");
    report_u64(report, "count", 2);
    report_end_section(report);
    report_end_list(report);
}

static void test_alignment_counts_characters(void **state)
{
    (void)state;
    assert_report(fill_wide, REPORT_TEXT,
                  "pages\n"
                  "  /\xc3\xa9\xc3\xa9    1\n"
                  "  /abcd  2\n");
}

static void fill_units(struct report *report)
{
    report_duration(report, "d0", 999);
    report_duration(report, "d1", 59999);
    report_duration(report, "d2", 60000);
    report_duration(report, "d3", 3661000);
    report_duration(report, "d4", UINT64_MAX);
    report_latency(report, "l0", 0);
    report_latency(report, "l1", 999);
    report_latency(report, "l2", 1234);
    report_latency(report, "l3", 12345);
    report_latency(report, "l4", 1234567);
    report_rate(report, "r", 12.5);
    report_ratio(report, "q", 2.0 / 3);
}

static void test_units(void **state)
{
    (void)state;
    assert_report(fill_units, REPORT_TEXT,
                  "d0  0s\n"
                  "d1  59s\n"
                  "d2  1m 0s\n"
                  "d3  1h 1m\n"
                  "d4  213503982334d 14h\n"
                  "l0  0 us\n"
                  "l1  999 us\n"
                  "l2  1.23 ms\n"
                  "l3  12.3 ms\n"
                  "l4  1.23 s\n"
                  "r   12.50/s\n"
                  "q   0.67\n");
    assert_report(fill_units, REPORT_JSON,
                  "{\"d0_s\":0,\"d1_s\":59,\"d2_s\":60,\"d3_s\":3661,\"d4_s\":18446744073709551,"
                  "\"l0_us\":0,\"l1_us\":999,\"l2_us\":1234,\"l3_us\":12345,\"l4_us\":1234567,"
                  "\"r_per_s\":12.50,\"q\":0.67}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_empty_text),
        cmocka_unit_test(test_sections),     cmocka_unit_test(test_list),
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_hostile_text), cmocka_unit_test(test_alignment_counts_characters),
        cmocka_unit_test(test_units),        cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
