/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "http/visit/page_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <cmocka.h>

/**
 * Makes the key of a path. The memory ends with the path, so that sanitizers find reads behind it.
 */
static enum page_key_status make_key(const char *path, size_t length, struct page_key *ret_key)
{
    char *copy = malloc(length != 0 ? length : 1);
    enum page_key_status status;

    assert_non_null(copy);
    memcpy(copy, path, length);
    status = page_key_from_path(copy, length, ret_key);
    free(copy);
    return status;
}

static void expect_key(const char *path, const char *expected)
{
    struct page_key key;

    assert_int_equal(make_key(path, strlen(path), &key), PAGE_KEY_OK);
    assert_string_equal(key.bytes, expected);
    assert_int_equal(key.length, strlen(expected));
}

static void expect_error(const char *path, enum page_key_status expected)
{
    struct page_key key = {.length = 3, .bytes = "old"};

    if (make_key(path, strlen(path), &key) != expected) {
        fail_msg("%s is not refused as %d", path, expected);
    }
    assert_string_equal(key.bytes, "old");
}

static void test_a_key_begins_with_a_slash(void **state)
{
    (void)state;
    expect_key("", "/");
    expect_key("/", "/");
    expect_key("blog", "/blog");
    expect_key("/blog", "/blog");
    expect_key("/blog/2026/first post", "/blog/2026/first post");
    expect_key("/CamelCase.HTML", "/CamelCase.HTML");
    expect_key("/...", "/...");
    expect_key("/.well-known/x..y", "/.well-known/x..y");
}

static void test_empty_segments_and_ends_are_folded(void **state)
{
    (void)state;
    expect_key("//", "/");
    expect_key("/blog/", "/blog");
    expect_key("//a///b//", "/a/b");
    expect_key("/%2F%2f", "/");
    expect_key("a%2Fb", "/a/b");
}

static void test_index_html_is_its_directory(void **state)
{
    (void)state;
    expect_key("/index.html", "/");
    expect_key("index.html", "/");
    expect_key("/blog/index.html", "/blog");
    expect_key("/blog/index.html/", "/blog");
    expect_key("/blog/%69ndex.html", "/blog");
    expect_key("/blog//index.html//index.html", "/blog");
    expect_key("/index.html/blog", "/index.html/blog");
    expect_key("/index.html/index.html/blog/index.html", "/index.html/index.html/blog");
    expect_key("/blog/Index.html", "/blog/Index.html");
    expect_key("/blog/my-index.html", "/blog/my-index.html");
    expect_key("/blog/index.htm", "/blog/index.htm");
}

static void test_query_and_fragment_are_left_out(void **state)
{
    (void)state;
    expect_key("/a?b/c", "/a");
    expect_key("/a#b", "/a");
    expect_key("?", "/");
    expect_key("/a%3Fb%23c", "/a?b#c");
    expect_key("/a?%zz", "/a");
}

static void test_percent_encoding_is_taken_off_once(void **state)
{
    (void)state;
    expect_key("/a%20b", "/a b");
    expect_key("/a+b", "/a+b");
    expect_key("/%2541", "/%41");
    expect_key("/%252e%252e", "/%2e%2e");
    expect_key("/caf%C3%A9", "/caf\xc3\xa9");
    expect_key("/caf%c3%a9", "/caf\xc3\xa9");
    expect_key("/caf\xc3\xa9", "/caf\xc3\xa9");
    expect_key("/%F0%9F%98%80", "/\xf0\x9f\x98\x80");
    expect_key("/%F4%8F%BF%BF", "/\xf4\x8f\xbf\xbf");
}

/* a segment that does not decode keeps its encoding, and each spelling of it is one page */
static void test_what_does_not_decode_is_spelled(void **state)
{
    (void)state;
    expect_key("%", "/%");
    expect_key("/a%4/b%C3%A9", "/a%4/b\xc3\xa9");
    expect_key("/%4?1", "/%4");
    expect_key("/\xff", "/%FF");
    expect_key("/caf\xc3\xa9\xff", "/caf%C3%A9%FF");
    expect_key("/caf%c3%a9%ff", "/caf%C3%A9%FF");
    expect_key("/%C0%AE%C0%AE", "/%C0%AE%C0%AE"); /* overlong ".." */
    expect_key("/%F0%9F/%98%80", "/%F0%9F/%98%80");
    expect_key("/%C3%2F%A9", "/%C3%2F%A9");
    expect_key("/%E9%2e%2e", "/%E9%2E%2E");
    expect_error("/%E9\n", PAGE_KEY_CONTROL);
    expect_error("/%\x7f", PAGE_KEY_CONTROL);
    expect_error("/%00/%E9", PAGE_KEY_CONTROL);
}

/* the same cases as the snippet's: tests/browser/test_page_views.py */
static void test_the_table(void **state)
{
    json_error_t error;
    json_t *table = json_load_file("tests/page_keys.json", JSON_ALLOW_NUL, &error);
    json_t *row;
    size_t i;

    (void)state;
    assert_non_null(table);
    assert_true(json_array_size(table) > 50);
    json_array_foreach(table, i, row)
    {
        json_t *path = json_object_get(row, "path");
        json_t *wanted = json_object_get(row, "key");
        struct page_key key;
        enum page_key_status status =
            make_key(json_string_value(path), json_string_length(path), &key);

        if (!json_is_string(wanted)) {
            assert_int_not_equal(status, PAGE_KEY_OK);
        } else if (status != PAGE_KEY_OK || strcmp(key.bytes, json_string_value(wanted)) != 0) {
            fail_msg("%s is %s, not %s", json_string_value(path),
                     status == PAGE_KEY_OK ? key.bytes : page_key_status_text(status),
                     json_string_value(wanted));
        }
    }
    json_decref(table);
}

static void test_control_characters_are_refused(void **state)
{
    char path[] = "/a%XXb";
    char raw[] = "/a?b";
    struct page_key key;

    (void)state;
    for (unsigned c = 0; c < 0x20; c++) {
        char hex[3];

        snprintf(hex, sizeof(hex), "%02x", c);
        memcpy(path + 3, hex, 2);
        expect_error(path, PAGE_KEY_CONTROL);
        raw[2] = (char)c;
        assert_int_equal(make_key(raw, 4, &key), PAGE_KEY_CONTROL);
    }
    expect_error("/%7F", PAGE_KEY_CONTROL);
    expect_error("/%C2%80", PAGE_KEY_CONTROL);
    expect_error("/%C2%9F", PAGE_KEY_CONTROL);
    expect_key("/%C2%A0", "/\xc2\xa0");
}

static void test_dot_segments_are_refused(void **state)
{
    (void)state;
    expect_error(".", PAGE_KEY_DOT_SEGMENT);
    expect_error("..", PAGE_KEY_DOT_SEGMENT);
    expect_error("/../x", PAGE_KEY_DOT_SEGMENT);
    expect_error("/a/./b", PAGE_KEY_DOT_SEGMENT);
    expect_error("/a/..", PAGE_KEY_DOT_SEGMENT);
    expect_error("/%2e%2E/x", PAGE_KEY_DOT_SEGMENT);
    expect_error("/.%2e", PAGE_KEY_DOT_SEGMENT);
    expect_error("..%2fx", PAGE_KEY_DOT_SEGMENT);
}

/* checks that the key of a path is cut; returns its last character before the hash */
static char expect_cut(const char *path, size_t length, struct page_key *ret_key)
{
    size_t hash = 0;

    assert_int_equal(make_key(path, length, ret_key), PAGE_KEY_OK);
    assert_int_equal(strlen(ret_key->bytes), ret_key->length);
    while (ret_key->bytes[ret_key->length - 1 - hash] != '~') {
        assert_non_null(strchr("0123456789abcdef", ret_key->bytes[ret_key->length - 1 - hash]));
        hash++;
    }
    assert_int_equal(hash, 16);
    return ret_key->bytes[ret_key->length - 18];
}

static void test_512_bytes_are_the_most(void **state)
{
    char path[4 * STORE_PAGE_MAX];
    struct page_key key;
    struct page_key other;

    (void)state;
    memset(path, 'x', sizeof(path));
    assert_int_equal(make_key(path, STORE_PAGE_MAX - 1, &key), PAGE_KEY_OK);
    assert_int_equal(key.length, STORE_PAGE_MAX);
    assert_null(strchr(key.bytes, '~'));
    expect_cut(path, STORE_PAGE_MAX, &key);
    assert_int_equal(key.length, STORE_PAGE_MAX);
    expect_cut(path, STORE_PAGE_MAX + 1, &other);
    assert_memory_equal(key.bytes, other.bytes, STORE_PAGE_MAX - 16);
    assert_string_not_equal(key.bytes, other.bytes);
    expect_cut(path, sizeof(path), &other);
    assert_string_not_equal(key.bytes, other.bytes);

    /* characters that are folded away do not count */
    memcpy(path + STORE_PAGE_MAX - 1, "//index.html/index.html/", 24);
    assert_int_equal(make_key(path, STORE_PAGE_MAX - 1 + 24, &key), PAGE_KEY_OK);
    assert_int_equal(key.length, STORE_PAGE_MAX);
    assert_null(strchr(key.bytes, '~'));
    memset(path, '/', sizeof(path));
    assert_int_equal(make_key(path, sizeof(path), &key), PAGE_KEY_OK);
    assert_int_equal(key.length, 1);
}

static void test_a_key_is_cut_before_a_character(void **state)
{
    char path[PAGE_KEY_PATH_MAX + 1];
    struct page_key key;
    struct page_key other;

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(path, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof(path); i += 4) {
            memcpy(path + i, "\xf0\x9f\x98\x80", 4);
        }
        assert_int_equal((unsigned char)expect_cut(path, shift + 800, &key), 0x80);
        assert_true(key.length > STORE_PAGE_MAX - 4);
    }
    /* another spelling of a long path is the same page */
    memset(path, 'x', sizeof(path));
    expect_cut(path, 1000, &key);
    memcpy(path + 500, "%78", 3);
    memset(path + 503, 'x', 499);
    memcpy(path + 1002, "//", 2);
    expect_cut(path, 1004, &other);
    assert_string_equal(key.bytes, other.bytes);
}

static void test_8192_bytes_are_the_longest_path(void **state)
{
    char path[PAGE_KEY_PATH_MAX + 1];
    struct page_key key;

    (void)state;
    memset(path, 'x', sizeof(path));
    expect_cut(path, PAGE_KEY_PATH_MAX, &key);
    assert_int_equal(make_key(path, PAGE_KEY_PATH_MAX + 1, &key), PAGE_KEY_TOO_LONG);
    memset(path, 0xff, sizeof(path));
    expect_cut(path, PAGE_KEY_PATH_MAX, &key);
    for (size_t i = 0; i < PAGE_KEY_PATH_MAX; i++) {
        path[i] = "/\xff"[i % 2];
    }
    expect_cut(path, PAGE_KEY_PATH_MAX, &key);
}

static void test_many_index_segments_that_stay(void **state)
{
    char path[100 * 11 + 2];
    struct page_key key;

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        memcpy(path + i * 11, "/index.html", 11);
    }
    path[1100] = '\0';
    expect_key(path, "/");
    strcpy(path + 1099, "x");
    expect_cut(path, strlen(path), &key);
}

static void test_each_error_has_a_text(void **state)
{
    (void)state;
    for (int status = PAGE_KEY_OK; status <= PAGE_KEY_TOO_LONG; status++) {
        assert_non_null(strstr(page_key_status_text((enum page_key_status)status), "the page"));
    }
}

static void test_sites(void **state)
{
    char longest[STORE_SITE_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    assert_true(page_key_is_site("a", 1));
    assert_true(page_key_is_site("www.example.org", 15));
    assert_true(page_key_is_site("my_site-2", 9));
    assert_true(page_key_is_site("...", 3));
    assert_true(page_key_is_site(longest, STORE_SITE_MAX));
    assert_false(page_key_is_site(longest, STORE_SITE_MAX + 1));
    assert_false(page_key_is_site("", 0));
    assert_false(page_key_is_site(".", 1));
    assert_false(page_key_is_site("..", 2));
    assert_false(page_key_is_site("A", 1));
    assert_false(page_key_is_site("a b", 3));
    assert_false(page_key_is_site("a/b", 3));
    assert_false(page_key_is_site("a\0b", 3));
    assert_false(page_key_is_site("*", 1));
    assert_false(page_key_is_site("\xc3\xa9", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_begins_with_a_slash),
        cmocka_unit_test(test_empty_segments_and_ends_are_folded),
        cmocka_unit_test(test_index_html_is_its_directory),
        cmocka_unit_test(test_query_and_fragment_are_left_out),
        cmocka_unit_test(test_percent_encoding_is_taken_off_once),
        cmocka_unit_test(test_what_does_not_decode_is_spelled),
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_control_characters_are_refused),
        cmocka_unit_test(test_dot_segments_are_refused),
        cmocka_unit_test(test_512_bytes_are_the_most),
        cmocka_unit_test(test_a_key_is_cut_before_a_character),
        cmocka_unit_test(test_8192_bytes_are_the_longest_path),
        cmocka_unit_test(test_many_index_segments_that_stay),
        cmocka_unit_test(test_each_error_has_a_text),
        cmocka_unit_test(test_sites),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
