/* SPDX-License-Identifier: MIT */
#include "config/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void test_valid_ones(void **state)
{
    static const char *const right[] = {"https://a",           "http://a.example:8080",
                                        "https://[::1]:8443",  "https://xn--mnchen-3ya.example",
                                        "https://*.a.example", "http://*.a.example:8080"};
    static const char *const wrong[] = {"",
                                        "null",
                                        "*",
                                        "https://",
                                        "HTTPS://a",
                                        "https://A",
                                        "https://a/",
                                        "https://*",
                                        "https://*.",
                                        "https://*.com",
                                        "https://a.*.example",
                                        "https://*a.example",
                                        "https://*..b.c",
                                        "https://m\xc3\xbcnchen.example",
                                        "ftp://a",
                                        "httpS://a"};

    (void)state;
    for (size_t i = 0; i < LENGTH(right); i++) {
        assert_true(origin_is_valid(right[i]));
    }
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        if (origin_is_valid(wrong[i])) {
            fail_msg("%s is valid", wrong[i]);
        }
    }
}

static void test_the_right_form(void **state)
{
    static const char *const forms[][2] = {
        {"https://A.Example/", "https://a.example"},
        {"HTTP://a.example:8080/blog?x#y", "http://a.example:8080"},
        {"a.example", "https://a.example"},
        {"https://M\xc3\x9cnchen.example", "https://xn--mnchen-3ya.example"},
        {"https://b\xc3\xbc"
         "cher.example:444",
         "https://xn--bcher-kva.example:444"},
        {"https://fa\xc3\x9f.example", "https://xn--fa-hia.example"},
        {"https://\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95",
         "https://xn--fsqu00a.xn--0zwm56d"},
        {"https://\xd0\x9f\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.example",
         "https://xn--e1afmkfd.example"},
        {"https://*.B\xc3\xbc"
         "cher.example/",
         "https://*.xn--bcher-kva.example"},
    };
    static const char *const none[] = {"",        "https://",    "https://a b",
                                       "ftp://a", "https://u@a", "https://\xff"};

    (void)state;
    for (size_t i = 0; i < LENGTH(forms); i++) {
        struct buf out = BUF_EMPTY;
        struct buf wanted = BUF_EMPTY;

        origin_explain(forms[i][0], &out);
        buf_printf(&wanted, "; a browser writes it \"%s\"", forms[i][1]);
        buf_putc(&out, '\0');
        buf_putc(&wanted, '\0');
        assert_string_equal(out.bytes, wanted.bytes);
        buf_finish(&out);
        buf_finish(&wanted);
    }
    for (size_t i = 0; i < LENGTH(none); i++) {
        struct buf out = BUF_EMPTY;

        origin_explain(none[i], &out);
        assert_int_equal(out.length, 0);
        buf_finish(&out);
    }
}

static void test_matching(void **state)
{
    static const struct {
        const char *rule;
        const char *origin;
        bool expected;
    } cases[] = {
        {"https://a.example", "https://a.example", true},
        {"https://a.example", "http://a.example", false},
        {"https://a.example:443", "https://a.example", true},
        {"http://[::1]:80", "http://[::1]", true},
        {"https://a.example:80", "https://a.example", false},
        {"https://a.example", "https://a.example:8443", false},
        {"https://*.a.example", "https://b.a.example", true},
        {"https://*.a.example", "https://c.b.a.example", true},
        {"https://*.a.example", "https://a.example", false},
        {"https://*.a.example", "https://ba.example", false},
        {"https://*.a.example", "https://.a.example", false},
        {"https://*.a.example", "http://b.a.example", false},
        {"https://*.a.example", "https://b.a.example:8443", false},
        {"https://*.a.example:8443", "https://b.a.example:8443", true},
        {"https://*.a.example:443", "https://b.a.example", true},
        {"https://*.a.example", "https://evil.example:80@b.a.example", false},
        {"https://*.a.example", "https://evil.example/.a.example", false},
        {"https://*.a.example", "https://b.a.example.evil", false},
        {"https://*.a.example", "null", false},
        {"https://*.a.example", "", false},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        if (origin_matches(cases[i].rule, cases[i].origin, strlen(cases[i].origin)) !=
            cases[i].expected) {
            fail_msg("%s, %s", cases[i].rule, cases[i].origin);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_ones),
        cmocka_unit_test(test_the_right_form),
        cmocka_unit_test(test_matching),
    };

    return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
