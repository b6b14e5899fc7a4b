/* SPDX-License-Identifier: MIT */
#include "http/visit/token.h"

#include "http/request/router.h"
#include "store/stamp.h"
#include "store/store.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static h2o_req_t h2o;
static struct request request;

static int set_up(void **state)
{
    memset(&h2o, 0, sizeof(h2o));
    h2o_mem_init_pool(&h2o.pool);
    request = (struct request){.h2o = &h2o, .method = METHOD_POST};
    *state = &h2o.pool;
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

    (void)pool;
    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    return visit;
}

/** All fields are set, whatever the visit's memory held before. */
static void test_without_a_token_all_of_it_is_set(void **state)
{
    struct client client = {.is_behind_proxy = false};
    struct visit visit;

    memset(&visit, 0xa5, sizeof(visit));
    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    assert_null(visit.token);
    assert_int_equal(visit.token_length, 0);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    (void)state;
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

    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    assert_token(&visit, key, strlen(key));
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    (void)state;
}

static void test_a_client_is_not_believed_a_request_id(void **state)
{
    struct client client = {.headers.request_id = text("one")};
    struct visit visit;

    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    assert_null(visit.token);
    (void)state;
}

static void test_keys_of_clients_come_first(void **state)
{
    struct client client = {.headers = {.request_id = text("one"), .idempotency_key = text("two")},
                            .is_behind_proxy = true};
    struct visit visit;

    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    assert_token(&visit, "two", 3);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    client.headers.idempotency_key = text("with blank");
    assert_int_equal(token_read(&request, &client, &visit), TOKEN_BAD_KEY);
    (void)state;
}

/* reads the token of a request of a proxy with this query and this body */
static enum token_status read_view(const char *query, const char *body, struct visit *ret_visit)
{
    struct client client = {.headers.request_id = text("one"), .is_behind_proxy = true};

    request.query = text(query);
    h2o.entity = text(body);
    return token_read(&request, &client, ret_visit);
}

static void test_a_page_view_has_a_token_of_its_own(void **state)
{
    static const char first[] = "view=0123456789abcdef";
    struct visit visit;
    struct visit other;

    assert_int_equal(read_view(first, "", &visit), TOKEN_OK);
    assert_int_equal(visit.token_window, STORE_WINDOW_VIEW);
    assert_int_equal(visit.token_length, STORE_VIEW_LENGTH);
    assert_int_equal(read_view("", first, &other), TOKEN_OK); /* in the body as well */
    assert_token(&other, visit.token, STORE_VIEW_LENGTH);
    assert_int_equal(read_view("x=1&view=0123456789%61bcdef&y", "", &other), TOKEN_OK);
    assert_token(&other, visit.token, STORE_VIEW_LENGTH);
    assert_int_equal(read_view("view=0123456789abcdeF", "", &other), TOKEN_OK);
    assert_memory_not_equal(visit.token, other.token, STORE_VIEW_LENGTH);
    assert_int_equal(read_view("", "", &other), TOKEN_OK);
    assert_int_equal(other.token_window, STORE_WINDOW_ATTEMPT);
    assert_int_equal(read_view("", "[\"/a\"]", &other), TOKEN_OK);
    assert_int_equal(other.token_window, STORE_WINDOW_ATTEMPT);
    (void)state;
}

static void test_views_that_are_refused(void **state)
{
    char longest[TOKEN_VIEW_MAX + sizeof("view=")] = "view=";
    static const char *const wrong[] = {"view=",
                                        "view",
                                        "view=0123456789abcde",
                                        "view=0123456789abcdef%20",
                                        "view=0123456789abcdef+",
                                        "view=0123456789abcdef%00",
                                        "view=0123456789abcde\xc3\xbc"};
    struct visit visit;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(read_view(wrong[i], "", &visit), TOKEN_BAD_VIEW);
    }
    memset(longest + 5, 'x', TOKEN_VIEW_MAX);
    assert_int_equal(read_view(longest, "", &visit), TOKEN_OK);
    longest[5] = '/';
    assert_int_equal(read_view(longest, "", &visit), TOKEN_BAD_VIEW);
    (void)state;
}

static void test_a_key_of_a_client_comes_before_a_view(void **state)
{
    struct client client = {.headers.idempotency_key = text("two")};
    struct visit visit;

    request.query = text("view=0123456789abcdef");
    assert_int_equal(token_read(&request, &client, &visit), TOKEN_OK);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_a_token_all_of_it_is_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_ids_of_nginx_are_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_view_has_a_token_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_views_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_of_a_client_comes_before_a_view, set_up,
                                        tear_down),
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
