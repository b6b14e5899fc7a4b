/* SPDX-License-Identifier: MIT */
/* The stored form of tokens. It must never change, otherwise an upgrade counts repetitions. */
#include "store/token_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGE "/blog/2026/11/counting"

static struct token_key key_of(const char *page, enum store_window window, const char *bytes,
                               size_t length)
{
    struct store_token token = {.bytes = bytes, .length = length, .window = window};
    struct token_key key;

    token_key_write(&token, token_key_page(page, strlen(page)), &key);
    return key;
}

static void check(struct token_key key, const char *bytes, size_t length)
{
    assert_int_equal(key.length, length);
    assert_memory_equal(key.bytes, bytes, length);
}

/* from an independent SipHash-1-3 in Python, which passes CPython's vectors */
static void test_pages_are_hashed(void **state)
{
    (void)state;
    assert_true(token_key_page("", 0) == UINT64_C(0xfb134c94509b1bb3));
    assert_true(token_key_page("/", 1) == UINT64_C(0x8954d6dc1725560c));
    assert_true(token_key_page("/a", 2) == UINT64_C(0xb97b1baac2b7462d));
    assert_true(token_key_page("/b", 2) == UINT64_C(0x344ac86ba55f4099));
    assert_true(token_key_page(PAGE, strlen(PAGE)) == UINT64_C(0x4949fd9baf5bea8a));
}

static const enum store_window hashed[] = {STORE_WINDOW_ATTEMPT, STORE_WINDOW_CLIENT};

/* also from that implementation, for the shortest and the longest token */
static void test_page_and_token_are_hashed(void **state)
{
    char bytes[STORE_TOKEN_MAX];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < 2; i++) {
        check(key_of("/a", hashed[i], "7f3c", 4),
              "\x43\x2b\x73\x39\xce\x9e\xea\x3d"
              "\x4c\x15\x78\xc6\x4f\x90\xe1\x09",
              16);
        check(key_of(PAGE, hashed[i], "\0", 1),
              "\x5e\x63\xa1\xd2\xe0\x81\xbb\xc7"
              "\xa1\xac\x13\x20\x98\xca\xef\xe5",
              16);
        check(key_of("/", hashed[i], "0123456789abcdef", 16),
              "\x1f\x87\xe9\x49\xe4\x60\x33\xa5"
              "\xf7\x01\xdb\x7a\xe3\x6c\x36\x75",
              16);
        check(key_of("/a", hashed[i], bytes, sizeof(bytes)),
              "\x06\xe6\x89\xd4\xdd\xa9\x53\xe0"
              "\xe8\xac\xf7\x69\xac\xeb\xa8\x0c",
              16);
    }
}

/* each bit of page and token changes about half of the bits */
static void test_hashes_are_far_apart(void **state)
{
    char bytes[STORE_TOKEN_MAX] = {0};
    struct token_key first = key_of("/a", STORE_WINDOW_CLIENT, bytes, sizeof(bytes));

    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        struct token_key key;
        int apart = 0;

        bytes[bit / 8] ^= (char)(1 << bit % 8);
        key = key_of("/a", STORE_WINDOW_CLIENT, bytes, sizeof(bytes));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        for (size_t i = 0; i < TOKEN_KEY_LENGTH; i++) {
            apart += __builtin_popcount((unsigned char)(key.bytes[i] ^ first.bytes[i]));
        }
        assert_in_range(apart, 30, 98);
    }
}

/* the form of version 0.2 */
static void test_the_page_comes_before_a_long_form(void **state)
{
    char bytes[STORE_TOKEN_MAX];
    struct store_token token = {.bytes = bytes, .length = sizeof(bytes)};
    struct token_key form;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < 2; i++) {
        token.window = hashed[i];
        token_key_write_long(&token, token_key_page("/a", 2), &form);
        assert_int_equal(form.length, 8 + STORE_TOKEN_MAX);
        assert_memory_equal(form.bytes, "\xb9\x7b\x1b\xaa\xc2\xb7\x46\x2d", 8);
        assert_memory_equal(form.bytes + 8, bytes, sizeof(bytes));
    }
}

/* its time stays, because the bucket depends on it; its length stays too */
static void test_a_stamp_has_the_page_in_its_id(void **state)
{
    static const uint64_t ids[] = {0, 1, UINT64_MAX, UINT64_C(0xb97b1baac2b7462d)};
    char bytes[STAMP_LENGTH];

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct token_key key;

        stamp_write((struct stamp){1764265812123, ids[i]}, bytes);
        key = key_of("/a", STORE_WINDOW_STAMPED, bytes, STAMP_LENGTH);
        assert_int_equal(key.length, STAMP_LENGTH);
        assert_true(stamp_read(key.bytes).ms == 1764265812123);
        assert_true(stamp_read(key.bytes).id == (ids[i] ^ UINT64_C(0xb97b1baac2b7462d)));
        assert_true(token_key_stamp_id(bytes, token_key_page("/a", 2)) == stamp_read(key.bytes).id);
    }
}

static void test_a_token_of_a_day_stays_as_it_is(void **state)
{
    (void)state;
    assert_false(token_key_has_page(STORE_WINDOW_DAY));
    check(key_of("/a", STORE_WINDOW_DAY, "0123456789abcdef", 16), "0123456789abcdef", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_hashed),
        cmocka_unit_test(test_page_and_token_are_hashed),
        cmocka_unit_test(test_hashes_are_far_apart),
        cmocka_unit_test(test_the_page_comes_before_a_long_form),
        cmocka_unit_test(test_a_stamp_has_the_page_in_its_id),
        cmocka_unit_test(test_a_token_of_a_day_stays_as_it_is),
    };

    return cmocka_run_group_tests_name("token_key", tests, NULL, NULL);
}
