/* SPDX-License-Identifier: MIT */
#include "http/token.h"

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

    assert_true(token_take(pool, &client, &visit));
    return visit;
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

    assert_token(&visit, "\x00\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32", 16);
    assert_int_equal(visit.token_window, STORE_WINDOW_ATTEMPT);
}

static void test_other_text_stays_and_is_never_as_long(void **state)
{
    static const char *const same[] = {
        "000123456789ABCDEFFEDCBA98765432",  /* other digits than nginx's: other tokens */
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

static void test_a_client_is_not_believed_a_request_id(void **state)
{
    struct client client = {.headers.request_id = text("one")};
    struct visit visit;

    assert_true(token_take(*state, &client, &visit));
    assert_null(visit.token);
}

static void test_keys_of_clients_come_first(void **state)
{
    struct client client = {.headers = {.request_id = text("one"), .idempotency_key = text("two")},
                            .is_behind_proxy = true};
    struct visit visit;

    assert_true(token_take(*state, &client, &visit));
    assert_token(&visit, "two", 3);
    assert_int_equal(visit.token_window, STORE_WINDOW_CLIENT);
    client.headers.idempotency_key = text("with blank");
    assert_false(token_take(*state, &client, &visit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_ids_of_nginx_are_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_text_stays_and_is_never_as_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_is_not_believed_a_request_id, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_keys_of_clients_come_first, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
