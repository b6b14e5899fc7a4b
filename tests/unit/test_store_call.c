/* SPDX-License-Identifier: MIT */
/*
 * Calls that may outlive their caller: the last of owner and store to release a call frees it,
 * once.
 */
#include "store/store_call.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct asking {
    struct store_call call;
    int answer;
};

static unsigned freed;
static int owner;

static void on_free(struct store_call *call)
{
    assert_int_equal(container_of(call, struct asking, call)->answer, 0);
    freed++;
}

static struct asking *create(void)
{
    struct asking *asking = store_call_create(sizeof(*asking), &owner);

    freed = 0;
    store_call_set_on_free(&asking->call, on_free);
    assert_ptr_equal(store_call_owner(&asking->call), &owner);
    return asking;
}

static void test_an_owner_that_waits_hears_of_the_end(void **state)
{
    struct asking *asking = create();

    (void)state;
    store_call_begin(&asking->call);
    assert_true(store_call_is_open(&asking->call));
    assert_ptr_equal(store_call_end(&asking->call), &owner);
    assert_false(store_call_is_open(&asking->call));
    assert_int_equal(freed, 0);
    store_call_release(&asking->call);
    assert_int_equal(freed, 1);
}

static void test_a_cancelled_call_is_freed_at_its_end(void **state)
{
    struct asking *asking = create();

    (void)state;
    store_call_begin(&asking->call);
    store_call_release(&asking->call);
    assert_int_equal(freed, 0);
    assert_null(store_call_owner(&asking->call));
    assert_null(store_call_end(&asking->call));
    assert_int_equal(freed, 1);
}

static void test_the_last_of_several_calls_frees(void **state)
{
    struct asking *asking = create();

    (void)state;
    store_call_begin(&asking->call);
    store_call_begin(&asking->call);
    assert_ptr_equal(store_call_end(&asking->call), &owner);
    store_call_release(&asking->call);
    store_call_begin(&asking->call); /* a callback makes the next call */
    assert_null(store_call_end(&asking->call));
    assert_int_equal(freed, 0);
    assert_null(store_call_end(&asking->call));
    assert_int_equal(freed, 1);
}

static void test_an_owner_may_ask_again(void **state)
{
    struct asking *asking = create();

    (void)state;
    for (int i = 0; i < 3; i++) {
        store_call_begin(&asking->call);
        assert_ptr_equal(store_call_end(&asking->call), &owner);
    }
    store_call_release(&asking->call);
    assert_int_equal(freed, 1);
}

static void test_without_a_call_release_frees_at_once(void **state)
{
    (void)state;
    store_call_release(&create()->call);
    assert_int_equal(freed, 1);
    store_call_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_owner_that_waits_hears_of_the_end),
        cmocka_unit_test(test_a_cancelled_call_is_freed_at_its_end),
        cmocka_unit_test(test_the_last_of_several_calls_frees),
        cmocka_unit_test(test_an_owner_may_ask_again),
        cmocka_unit_test(test_without_a_call_release_frees_at_once),
    };

    return cmocka_run_group_tests_name("store_call", tests, NULL, NULL);
}
