/* SPDX-License-Identifier: MIT */
#include "http/visit/device_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/** The names, with "|" between them. */
static void find(const char *text, char *out)
{
    struct device_names names;

    memset(&names, 0xa5, sizeof(names));
    device_names_find(text, strlen(text), &names);
    *out = '\0';
    for (size_t i = 0; i < names.count; i++) {
        size_t length = names.items[i].end - names.items[i].start;

        assert_true(names.items[i].end <= strlen(text));
        out += sprintf(out, "%s%.*s", i > 0 ? "|" : "", (int)length, text + names.items[i].start);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *text;
        const char *names;
    } rows[] = {
        {"", ""},
        {"mozilla/5.0 (x11; linux x86_64) gecko", ""},
        {"mozilla/5.0 (windows nt 10.0; win64)", ""},
        {"mozilla/5.0 (linux; android 9; idbot553) x", "; android 9; idbot553"},
        {"mozilla/5.0 (linux; android 9; a bot build/x; wv; b) x", "; android 9; a bot build/x"},
        {"mozilla/5.0 (linux; android 9; moto g(50) b) bot", "; android 9; moto g(50) b"},
        {"mozilla/5.0 (linux; android 9; open", "; android 9; open"},
        {"mozilla/5.0 (mobile; bot; rv:48.0)", "; bot; rv:48.0"},
        {"(compatible; bot; android)", ""},
        {"(compatible; msie 10.0; windows phone 8.0; a)", "; msie 10.0; windows phone 8.0; a"},
        {"app android (17; bot)", "(17; bot"},
        {"(linux; android; a) b [fban/fb4a;fbdv/bot;]", "; android; a|/fb4a;fbdv/bot;"},
        {"x [fban/open", "/open"},
        {"x [fb", ""},
        {"(android)", ""},
        {"(android;)(android;)(android;)(android;)(android;)", ";|;|;|;"},
        {")(", ""},
    };
    char out[256];

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        find(rows[i].text, out);
        assert_string_equal(out, rows[i].names);
    }
}

static void test_positions(void **state)
{
    struct device_names names = {.count = 2, .items = {{2, 4}, {6, 7}}};
    static const bool expected[] = {false, false, true, true, false, false, true, false};

    (void)state;
    for (size_t i = 0; i < LENGTH(expected); i++) {
        assert_int_equal(device_names_have(&names, i), expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
