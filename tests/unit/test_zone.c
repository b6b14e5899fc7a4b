/* SPDX-License-Identifier: MIT */
#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* 2024-03-31T01:00Z and 2024-10-27T01:00Z, when Berlin's clocks are changed */
#define SPRING 1711846800
#define AUTUMN 1729990800

static void test_offsets_follow_the_clock_changes(void **state)
{
    struct zone *zone = zone_open("Europe/Berlin");

    (void)state;
    assert_int_equal(zone_offset_s(zone, SPRING - 1), 3600);
    assert_int_equal(zone_offset_s(zone, SPRING), 7200);
    assert_int_equal(zone_offset_s(zone, AUTUMN - 1), 7200);
    assert_int_equal(zone_offset_s(zone, AUTUMN), 3600);
    assert_int_equal(zone_offset_s(zone, SPRING - 1), 3600); /* back again */
    zone_close(zone);
}

static void test_days_begin_at_local_midnight(void **state)
{
    static const struct {
        const char *zone;
        uint64_t second;
        uint64_t day;
    } rows[] = {
        {"UTC", 0, 0},
        {"UTC", 86399, 0},
        {"UTC", 86400, 1},
        {"Europe/Berlin", 1719784800 - 1, 19904}, /* 2024-06-30T22:00Z: July begins there */
        {"Europe/Berlin", 1719784800, 19905},
        {"America/New_York", 1719806400 - 1, 19904}, /* 2024-07-01T04:00Z */
        {"America/New_York", 1719806400, 19905},
        {"Asia/Kathmandu", 1719771300 - 1, 19904}, /* 2024-06-30T18:15Z: 5:45 ahead */
        {"Asia/Kathmandu", 1719771300, 19905},
        {"America/New_York", 100, 0}, /* before the first day there is none */
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct zone *zone = zone_open(rows[i].zone);

        assert_non_null(zone);
        assert_int_equal(zone_day(zone, rows[i].second), rows[i].day);
        zone_close(zone);
    }
}

/** The offset of a quarter of an hour is kept; it must be the one that GLib would say again. */
static void test_kept_offsets_are_right(void **state)
{
    struct zone *kept = zone_open("Australia/Lord_Howe"); /* changes by half an hour */

    (void)state;
    for (uint64_t second = SPRING - 40 * 86400; second < SPRING + 40 * 86400; second += 899) {
        struct zone *fresh = zone_open("Australia/Lord_Howe");

        assert_int_equal(zone_offset_s(kept, second), zone_offset_s(fresh, second));
        zone_close(fresh);
    }
    zone_close(kept);
}

static void test_what_is_no_zone(void **state)
{
    static const char *const names[] = {
        "",
        "Europe/Berln",
        "europe/berlin/x",
        "../../../etc/passwd",
        "/etc/localtime",
        "UTC\n",
        "a b",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (zone_open(names[i]) != NULL) {
            fail_msg("\"%s\" is taken for a time zone", names[i]);
        }
    }
    zone_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_follow_the_clock_changes),
        cmocka_unit_test(test_days_begin_at_local_midnight),
        cmocka_unit_test(test_kept_offsets_are_right),
        cmocka_unit_test(test_what_is_no_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
