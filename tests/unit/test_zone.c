/* SPDX-License-Identifier: MIT */
#include "base/zone.h"

#include "base/zone_name.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* 2024-03-31T01:00Z and 2024-10-27T01:00Z, when Berlin's clocks change */
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
        {"America/New_York", 100, 0}, /* there is no day before the first one */
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct zone *zone = zone_open(rows[i].zone);

        assert_non_null(zone);
        assert_int_equal(zone_day(zone, rows[i].second), rows[i].day);
        zone_close(zone);
    }
}

/** The offset is cached for a quarter of an hour. It must be the one that GLib would return. */
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
        /* GLib reads these as offsets and rules; its "UTC-3" is three hours ahead */
        "UTC-3",
        "UTC+3",
        "GMT+2",
        "+02:00",
        "-3",
        "03",
        "Z",
        "CET-1CEST",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<+03>-3",
        ":UTC",
        /* files and directories of the database that are not zones */
        "Europe",
        "Etc/",
        "zone.tab",
        "tzdata.zi",
        "posixrules",
        "localtime",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        /* names of zones in other letter case */
        "utc",
        "europe/berlin",
        "Europe//Berlin",
        "Europe/Berlin/",
        "/usr/share/zoneinfo/Europe/Berlin",
        "Europe/../Europe/Berlin",
        "./Europe/Berlin",
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (zone_open(names[i]) != NULL) {
            fail_msg("\"%s\" is taken for a time zone", names[i]);
        }
    }
    zone_close(NULL);
}

/* --- the whole database --- */

/** Calls `check` for each zone of the database except copies. Returns their number. */
static int for_each_zone(const char *below, void (*check)(const char *name))
{
    char path[PATH_MAX];
    char name[PATH_MAX];
    const struct dirent *entry;
    DIR *directory;
    int count = 0;

    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", below);
    directory = opendir(path);
    if (directory == NULL) {
        return 0;
    }
    while ((entry = readdir(directory)) != NULL) {
        snprintf(name, sizeof(name), "%s%s%s", below, *below != '\0' ? "/" : "", entry->d_name);
        if (zone_name_find(name, path)) {
            check(name);
            count++;
        } else if (entry->d_name[0] != '.' && strcmp(name, "posix") != 0 &&
                   strcmp(name, "right") != 0) {
            count += for_each_zone(name, check);
        }
    }
    closedir(directory);
    return count;
}

/* glibc reads the same file */
static void check_offsets(const char *name)
{
    struct zone *zone = zone_open(name);
    char variable[PATH_MAX];

    assert_non_null(zone);
    snprintf(variable, sizeof(variable), ":%s", name);
    setenv("TZ", variable, 1);
    tzset();
    for (uint64_t second = 1000000000; second < 1900000000; second += 31 * 86400) {
        time_t now = (time_t)second;
        struct tm local;

        localtime_r(&now, &local);
        if (zone_offset_s(zone, second) != local.tm_gmtoff) {
            fail_msg("%s is %d s ahead of UTC at %d, not %d", name, (int)local.tm_gmtoff,
                     (int)second, (int)zone_offset_s(zone, second));
        }
    }
    unsetenv("TZ");
    zone_close(zone);
}

static void test_all_zones_are_those_of_the_database(void **state)
{
    (void)state;
    assert_true(for_each_zone("", check_offsets) > 300);
}

static void test_utc_needs_no_database(void **state)
{
    struct zone *zone;

    (void)state;
    setenv("TZDIR", "/nonexistent", 1);
    assert_null(zone_open("Europe/Berlin"));
    assert_null(zone_open("Etc/UTC"));
    zone = zone_open("UTC");
    assert_non_null(zone);
    assert_int_equal(zone_offset_s(zone, SPRING), 0);
    zone_close(zone);
    unsetenv("TZDIR");
}

/* --- suggestions --- */

static void test_who_is_wrong_is_told_what_is_right(void **state)
{
    static const struct {
        const char *name;
        const char *help;
    } rows[] = {
        {"UTC-3", "; three hours behind UTC is Etc/GMT+3; three hours ahead of UTC is Etc/GMT-3"},
        {"GMT+1", "; one hour ahead of UTC is Etc/GMT-1; one hour behind UTC is Etc/GMT+1"},
        {"utc+02:00", "; two hours ahead of UTC is Etc/GMT-2; two hours behind UTC is Etc/GMT+2"},
        {"-1400", "; no zone is 14 hours behind UTC; fourteen hours ahead of UTC is Etc/GMT-14"},
        {"UTC+99", "; no zone is 99 hours ahead of UTC; no zone is 99 hours behind UTC"},
        {"+5:30", "; zones that are not whole hours from UTC have names of places only, such as "
                  "\"Asia/Kolkata\" or \"America/St_Johns\""},
        {"UTC+0", "; did you mean \"UTC\"?"},
        {"utc", "; did you mean \"UTC\"?"},
        {"Berlin", "; did you mean \"Europe/Berlin\"?"},
        {"new_york", "; did you mean \"America/New_York\"?"},
        {"Europe/Berln", "; did you mean \"Europe/Berlin\"?"},
        {"EUROPE/BERLIN", "; did you mean \"Europe/Berlin\"?"},
        {"CET-1CEST", "; rules as in the variable TZ are not names: use that of a place"},
        {"the zone where I live", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct buf help = BUF_EMPTY;

        zone_name_explain(rows[i].name, &help);
        assert_string_equal(help.length != 0 ? help.bytes : "", rows[i].help);
        buf_finish(&help);
    }
}

static void test_a_missing_database_is_told(void **state)
{
    struct buf help = BUF_EMPTY;

    (void)state;
    setenv("TZDIR", "/nonexistent", 1);
    zone_name_explain("Europe/Berlin", &help);
    assert_string_equal(help.bytes, "; there is no tz database at /nonexistent (package tzdata), "
                                    "so only \"UTC\" is valid");
    buf_finish(&help);
    unsetenv("TZDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_follow_the_clock_changes),
        cmocka_unit_test(test_days_begin_at_local_midnight),
        cmocka_unit_test(test_kept_offsets_are_right),
        cmocka_unit_test(test_what_is_no_zone),
        cmocka_unit_test(test_all_zones_are_those_of_the_database),
        cmocka_unit_test(test_utc_needs_no_database),
        cmocka_unit_test(test_who_is_wrong_is_told_what_is_right),
        cmocka_unit_test(test_a_missing_database_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
