/* SPDX-License-Identifier: MIT */
#include "config/page_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool matches(const char *text, const char *page)
{
    struct page_rule rule;
    const char *wrong = page_rule_parse(text, &rule);
    bool is_match;

    if (wrong != NULL) {
        fail_msg("%s: %s", text, wrong);
    }
    is_match = page_rule_matches(&rule, page, strlen(page));
    page_rule_clear(&rule);
    return is_match;
}

static void test_matches(void **state)
{
    static const struct {
        const char *rule;
        const char *page;
        bool is_match;
    } rows[] = {
        /* one page */
        {"/", "/", true},
        {"/", "/a", false},
        {"/about", "/about", true},
        {"/about", "/About", false},
        {"/about", "/about/us", false},
        {"/about", "/abou", false},
        {"/a%20b", "/a b", true},
        {"/a%2Fb", "/a/b", true},
        {"/100%25", "/100%", true},
        {"/%2A", "/*", true},
        {"/%2A", "/a", false},
        {"/%3f", "/?", true},
        {"/\xc3\xa4", "/\xc3\xa4", true},
        {"/%C3%A4", "/\xc3\xa4", true},
        /* a page and all below */
        {"/**", "/", true},
        {"/**", "/a/b/c", true},
        {"/blog/**", "/blog", true},
        {"/blog/**", "/blog/a", true},
        {"/blog/**", "/blog/a/b", true},
        {"/blog/**", "/blogs", false},
        {"/blog/**", "/blo", false},
        {"/blog/**", "/", false},
        /* any beginning */
        {"/blog**", "/blog", true},
        {"/blog**", "/blogs/a", true},
        {"/blog*", "/blogs", true},
        {"/blog*", "/blogs/a", false},
        /* patterns */
        {"/*", "/a", true},
        {"/*", "/", true},
        {"/*", "/a/b", false},
        {"/*/comments", "/a/comments", true},
        {"/*/comments", "/a/b/comments", false},
        {"/**/comments", "/a/b/comments", true},
        {"/**/comments", "/comments", false},
        {"/20*-*/x", "/2026-11/x", true},
        {"/20*-*/x", "/2026/11/x", false},
        {"/a**z", "/a/b/z", true},
        {"/a**z", "/az", true},
        {"/a**z", "/a/b/zz/y", false},
        {"/a*b*c", "/abbbbc", true},
        {"/a*b*c", "/abbbb", false},
        {"/**/*x", "/q/ax/bx", true},
        {"/*x/**", "/ax/b", true},
        {"/*x/**", "/a/b", false},
        {"/a.c", "/abc", false},
        {"/[ab]", "/a", false},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (matches(rows[i].rule, rows[i].page) != rows[i].is_match) {
            fail_msg("%s and %s", rows[i].rule, rows[i].page);
        }
    }
}

static void test_what_no_page_can_match_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",      "blog",          "*",           "**",   "/a//b", "/a/",  "/a/./b",
        "/..",   "/a/../b",       "/index.html", "/a?b", "/a#b",  "/%",   "/%4",
        "/%zz",  "/a\nb",         "/%00",        "/%7f", "/\xff", "/%c3", "/%c2%85",
        "/a***", "/a/index.html", "/%2e%2e/",    "/%2F", "/a%2f",
    };
    struct page_rule rule;
    char longest[PAGE_RULE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        if (page_rule_parse(wrong[i], &rule) == NULL) {
            fail_msg("\"%s\" is taken for a rule", wrong[i]);
        }
        assert_null(rule.pattern);
    }
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[PAGE_RULE_MAX + 1] = '\0';
    assert_non_null(page_rule_parse(longest, &rule));
    longest[PAGE_RULE_MAX] = '\0';
    assert_null(page_rule_parse(longest, &rule));
    assert_true(page_rule_matches(&rule, longest, PAGE_RULE_MAX));
    page_rule_clear(&rule);
}

/** With backtracking this would take almost forever. */
static void test_no_page_makes_a_pattern_slow(void **state)
{
    char page[PAGE_RULE_MAX];

    (void)state;
    memset(page, 'a', sizeof(page));
    page[0] = '/';
    page[PAGE_RULE_MAX - 1] = '\0';
    assert_false(matches("/**a*a*a*a*a*a**a*a*a*a*a*a**a*a*a*a*a*a*b", page));
    assert_true(matches("/**a*a*a*a*a*a**a*a*a*a*a*a**a*a*a*a*a*a*", page));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_what_no_page_can_match_is_refused),
        cmocka_unit_test(test_no_page_makes_a_pattern_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
