/* SPDX-License-Identifier: MIT */
#include "http/visit/period.h"

#include "http/render/chart.h"
#include "http/routes/page_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Periods */

static void expect_period(const char *text, enum store_number kind, unsigned days)
{
    struct period period;

    assert_true(period_parse(text, strlen(text), &period));
    assert_int_equal(period.kind, kind);
    assert_int_equal(period.days, days);
}

static void test_periods(void **state)
{
    (void)state;
    expect_period("total", STORE_TOTALS, 0);
    expect_period("today", STORE_DAYS, 1);
    expect_period("1d", STORE_DAYS, 1);
    expect_period("366d", STORE_DAYS, 366);
    expect_period("unique", STORE_UNIQUES, 1);
    expect_period("unique-30d", STORE_UNIQUES, 30);
}

static void test_what_is_no_period(void **state)
{
    static const char *const texts[] = {
        "",    "d",        "0d",        "367d",          "1000d",    "7",
        "07d", "-1d",      "7D",        "unique-",       "7dd",      "total ",
        "1 d", "unique7d", "unique-0d", "unique-unique", "99999999d"};
    struct period period;

    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        if (period_parse(texts[i], strlen(texts[i]), &period)) {
            fail_msg("\"%s\" is taken for a period", texts[i]);
        }
    }
}

static void test_days_and_hours_there_and_back(void **state)
{
    char text[PERIOD_TEXT_MAX];
    uint64_t number;

    (void)state;
    assert_true(period_parse_day("1970-01-01", 10, &number));
    assert_int_equal(number, 0);
    assert_true(period_parse_day("2024-02-29", 10, &number));
    assert_string_equal(period_format_day(number, text), "2024-02-29");
    assert_true(period_parse_hour("2026-11-27T13", 13, &number));
    assert_string_equal(period_format_hour(number, text), "2026-11-27T13Z");
    assert_true(period_parse_hour("2026-11-27T13Z", 14, &number));
    assert_string_equal(period_format_hour(number, text), "2026-11-27T13Z");
}

static void test_what_is_no_day_or_hour(void **state)
{
    static const char *const days[] = {"",           "2026-02-29", "2026-13-01", "2026-00-10",
                                       "2026-11-31", "1969-12-31", "2026-1-1",   "2026-11-27 ",
                                       "26-11-27",   "2026/11/27"};
    static const char *const hours[] = {"2026-11-27",       "2026-11-27T24", "2026-11-27T1Z",
                                        "2026-11-27T13:00", "2026-11-27t13", "2026-02-30T01"};
    uint64_t number;

    (void)state;
    for (size_t i = 0; i < LENGTH(days); i++) {
        if (period_parse_day(days[i], strlen(days[i]), &number)) {
            fail_msg("\"%s\" is taken for a day", days[i]);
        }
    }
    for (size_t i = 0; i < LENGTH(hours); i++) {
        if (period_parse_hour(hours[i], strlen(hours[i]), &number)) {
            fail_msg("\"%s\" is taken for an hour", hours[i]);
        }
    }
}

static void test_labels(void **state)
{
    (void)state;
    assert_string_equal(period_label(&(struct period){STORE_TOTALS, 0}), "visits");
    assert_string_equal(period_label(&(struct period){STORE_DAYS, 1}), "visits today");
    assert_string_equal(period_label(&(struct period){STORE_UNIQUES, 1}), "visitors today");
    assert_string_equal(period_label(&(struct period){STORE_UNIQUES, 7}), "visitors");
}

/* Charts */

static void test_scales_are_round(void **state)
{
    static const struct {
        uint64_t value;
        uint64_t top;
    } rows[] = {{0, 4},    {1, 4},     {4, 4},         {5, 8},
                {9, 20},   {20, 20},   {21, 40},       {79, 80},
                {81, 200}, {399, 400}, {12345, 20000}, {UINT64_MAX, UINT64_MAX}};

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        assert_int_equal(chart_round_up(rows[i].value), rows[i].top);
    }
}

static void test_a_chart_in_words_and_bars(void **state)
{
    const uint64_t visits[] = {0, 1000, 2000};
    const struct chart chart = {.first_day = 0, .days = 3, .visits = visits};
    struct buf out = BUF_EMPTY;

    (void)state;
    chart_put(&out, &chart);
    assert_non_null(strstr(out.bytes, "aria-label=\"Visits by day from 1 Jan to 3 Jan: 3,000 in "
                                      "all, at most 2,000 on 3 Jan.\""));
    assert_non_null(strstr(out.bytes, "<title>2 Jan: 1,000 visits</title>"));
    assert_non_null(strstr(out.bytes, "x=\"112\" y=\"500\" width=\"76\" height=\"500\""));
    assert_null(strstr(out.bytes, "visitors"));
    buf_clear(&out);
    chart_put_rows(&out, &chart);
    assert_memory_equal(out.bytes, "<tr><td>3 Jan</td><td class=\"number\">2,000</td>", 47);
    buf_finish(&out);
}

/* Lists of pages */

static const char *parse(const char *json, struct page_list *list)
{
    return page_list_parse(json, strlen(json), list);
}

static void test_lists_of_pages(void **state)
{
    static struct page_list list;

    (void)state;
    assert_null(parse("[\"/a\", \"b//c/\", \"/x%20y\", \"/\\u00e9\"]", &list));
    assert_int_equal(list.count, 4);
    assert_false(list.has_site);
    assert_string_equal(list.pages[1].bytes, "/b/c");
    assert_string_equal(list.pages[2].bytes, "/x y");
    assert_string_equal(list.pages[3].bytes, "/\u00e9");
    assert_null(parse("[\"\"]", &list));
    assert_true(list.has_site);
    assert_int_equal(list.pages[0].length, 0);
}

static void test_what_is_no_list_of_pages(void **state)
{
    static const char *const texts[] = {"",       "[]",           "{}",        "\"/a\"",
                                        "[1]",    "[\"/a\"",      "null",      "[\"/a\",null]",
                                        "[[]]",   "[\"../a\"]",   "[\"%00\"]", "[\"/a\"] x",
                                        "['/a']", "[\"\\u0000\"]"};
    static struct page_list list;
    char many[PAGE_LIST_MAX * 4 + 16] = "[";

    (void)state;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        if (parse(texts[i], &list) == NULL) {
            fail_msg("%s is taken for a list", texts[i]);
        }
    }
    for (int i = 0; i < PAGE_LIST_MAX; i++) {
        strcat(many, "\"a\",");
    }
    many[strlen(many) - 1] = ']';
    assert_null(parse(many, &list));
    many[strlen(many) - 1] = ',';
    strcat(many, "\"a\"]");
    assert_string_equal(parse(many, &list), "the body is a list of 1 to 100 pages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_what_is_no_period),
        cmocka_unit_test(test_days_and_hours_there_and_back),
        cmocka_unit_test(test_what_is_no_day_or_hour),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_scales_are_round),
        cmocka_unit_test(test_a_chart_in_words_and_bars),
        cmocka_unit_test(test_lists_of_pages),
        cmocka_unit_test(test_what_is_no_list_of_pages),
    };

    return cmocka_run_group_tests_name("period", tests, NULL, NULL);
}
