/* SPDX-License-Identifier: MIT */
#include "http/visit/token.h"

#include "store/stamp.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static h2o_mem_pool_t pool;

    h2o_mem_init_pool(&pool);
    *state = &pool;
    return 0;
}

static int tear_down(void **state)
{
    h2o_mem_clear_pool(*state);
    return 0;
}

static h2o_iovec_t text(const char *value)
{
    return h2o_iovec_init(value, strlen(value));
}

static struct visit visit_of_attempt(h2o_mem_pool_t *pool, const char *request_id)
{
    struct client client = {.headers.request_id = text(request_id), .is_behind_proxy = true};
    struct visit visit = {0};

    assert_true(token_read(pool, &client, &visit));
    return visit;
}

/** All fields are set, whatever the visit's memory held before. */
static void test_without_a_token_all_of_it_is_set(void **state)
{
    struct client client = {.is_behind_proxy = false};
    struct visit visit;

    memset(&visit, 0xa5, sizeof(visit));
    assert_true(token_read(*state, &client, &visit));
    assert_null(visit.token);
    assert_int_equal(visit.token_length, 0);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
}

static void assert_token(const struct visit *visit, const char *bytes, size_t length)
{
    assert_non_null(visit->token);
    assert_int_equal(visit->token_length, length);
    assert_memory_equal(visit->token, bytes, length);
}

static void test_request_ids_of_nginx_are_packed(void **state)
{
    struct visit visit = visit_of_attempt(*state, "000123456789abcdeffedcba98765432");

    assert_token(&visit, "\x06\x07\x08\x19\x2a\x3b\x4c\x5d\xe9\xf8\xf7\xe6\xd5\xc4\xb3\xa2", 16);
    assert_int_equal(visit.token_window, STORE_WINDOW_ATTEMPT);
}

static void test_other_text_stays_and_is_never_as_long(void **state)
{
    static const char *const same[] = {
        "000123456789ABCDEFFEDCBA98765432",  /* upper-case digits, unlike nginx: another token */
        "000123456789abcdeffedcba9876543",   /* one less */
        "000123456789abcdeffedcba987654321", /* one more */
        "g00123456789abcdeffedcba98765432",  "000123456789abcdeffedcba9876543g", "x"};
    struct visit visit;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        visit = visit_of_attempt(*state, same[i]);
        assert_token(&visit, same[i], strlen(same[i]));
    }
    visit = visit_of_attempt(*state, "sixteen-letters!");
    assert_token(&visit, "sixteen-letters!\0", 17);
}

static struct stamp stamp_of(const struct visit *visit)
{
    assert_non_null(visit->token);
    assert_int_equal(visit->token_window, STORE_WINDOW_STAMPED);
    assert_int_equal(visit->token_length, STAMP_LENGTH);
    return stamp_read(visit->token);
}

static void test_request_ids_with_a_time_are_stamps(void **state)
{
    struct visit visit =
        visit_of_attempt(*state, "1764265812.123-000123456789abcdeffedcba98765432");
    struct stamp stamp = stamp_of(&visit);

    assert_true(stamp.ms == 1764265812123);
    visit = visit_of_attempt(*state, "1764265812.123-000123456789abcdeffedcba98765432");
    assert_true(stamp_of(&visit).id == stamp.id);
    visit = visit_of_attempt(*state, "1764265813.009-000123456789abcdeffedcba98765432");
    assert_true(stamp_of(&visit).ms == 1764265813009);
    assert_true(stamp_of(&visit).id == stamp.id);
    visit = visit_of_attempt(*state, "0000000000.000-00000000000000000000000000000000");
    assert_true(stamp_of(&visit).ms == 0);
    assert_true(stamp_of(&visit).id == 0);
}

/* each digit changes the stamp, and no other character is a digit */
static void test_each_digit_of_a_stamp_matters(void **state)
{
    static const char original[] = "1764265812.123-000123456789abcdeffedcba98765432";
    struct visit visit = visit_of_attempt(*state, original);
    struct stamp stamp = stamp_of(&visit);

    for (size_t i = sizeof("1764265812.123-") - 1; i < sizeof(original) - 1; i++) {
        for (int byte = 1; byte <= UCHAR_MAX; byte++) {
            char other[sizeof(original)];
            bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');

            memcpy(other, original, sizeof(other));
            other[i] = (char)byte;
            visit = visit_of_attempt(*state, other);
            if (is_digit) {
                assert_int_equal(stamp_of(&visit).id == stamp.id, byte == original[i]);
            } else if (byte > ' ' && byte <= '~') {
                assert_token(&visit, other, strlen(other));
                assert_int_equal(visit.token_window, STORE_WINDOW_ATTEMPT);
            } else { /* no token at all */
                assert_null(visit.token);
            }
        }
    }
}

static void test_what_is_no_time_makes_no_stamp(void **state)
{
    static const char *const others[] = {"1764265812,123-000123456789abcdeffedcba98765432",
                                         "1764265812.123_000123456789abcdeffedcba98765432",
                                         "176426581:.123-000123456789abcdeffedcba98765432",
                                         "/764265812.123-000123456789abcdeffedcba98765432",
                                         "1764265812.12a-000123456789abcdeffedcba98765432",
                                         "176426581.1234-000123456789abcdeffedcba98765432",
                                         "17642658120.123-000123456789abcdeffedcba98765432",
                                         "1764265812.123-000123456789abcdeffedcba9876543",
                                         "-000123456789abcdeffedcba98765432"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct visit visit = visit_of_attempt(*state, others[i]);

        assert_token(&visit, others[i], strlen(others[i]));
        assert_int_equal(visit.token_window, STORE_WINDOW_ATTEMPT);
    }
}

/* a client's key is never treated as a proxy's token */
static void test_keys_of_clients_are_no_stamps(void **state)
{
    static const char key[] = "1764265812.123-000123456789abcdeffedcba98765432";
    struct client client = {.headers.idempotency_key = text(key), .is_behind_proxy = true};
    struct visit visit;

    assert_true(token_read(*state, &client, &visit));
    assert_token(&visit, key, strlen(key));
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
}

static void test_a_client_is_not_believed_a_request_id(void **state)
{
    struct client client = {.headers.request_id = text("one")};
    struct visit visit;

    assert_true(token_read(*state, &client, &visit));
    assert_null(visit.token);
}

static void test_keys_of_clients_come_first(void **state)
{
    struct client client = {.headers = {.request_id = text("one"), .idempotency_key = text("two")},
                            .is_behind_proxy = true};
    struct visit visit;

    assert_true(token_read(*state, &client, &visit));
    assert_token(&visit, "two", 3);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    client.headers.idempotency_key = text("with blank");
    assert_false(token_read(*state, &client, &visit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_a_token_all_of_it_is_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_ids_of_nginx_are_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_text_stays_and_is_never_as_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_request_ids_with_a_time_are_stamps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_digit_of_a_stamp_matters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_time_makes_no_stamp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_of_clients_are_no_stamps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_is_not_believed_a_request_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keys_of_clients_come_first, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
