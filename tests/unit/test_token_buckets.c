/* SPDX-License-Identifier: MIT */
/*
 * Which buckets a lookup reaches, and how long they live. Compared with a search second by second.
 */
#include "store/token_buckets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START (UINT64_C(500000) * 3600)

static bool reaches(const struct token_buckets *buckets, uint64_t second)
{
    uint64_t number = second / buckets->span_s;

    return number + buckets->before >= buckets->number &&
           number <= buckets->number + buckets->after;
}

/* the buckets cover all seconds within reach, and none is wholly outside */
static void check_reach(const struct token_buckets *buckets, uint64_t second, uint64_t before_s,
                        uint64_t after_s)
{
    assert_int_equal(buckets->number, second / buckets->span_s);
    assert_true(reaches(buckets, second - before_s));
    assert_true(reaches(buckets, second + after_s));
    assert_false(reaches(buckets, second - before_s - buckets->span_s));
    assert_false(reaches(buckets, second + after_s + buckets->span_s));
}

static void test_a_lookup_reaches_as_far_as_it_must(void **state)
{
    (void)state;
    for (uint64_t second = START; second < START + 7200; second++) {
        struct token_buckets buckets = token_buckets_of(STORE_WINDOW_ATTEMPT, second);

        check_reach(&buckets, second, 30, 15);
        assert_in_range(buckets.before + buckets.after, 0, 1);
        buckets = token_buckets_of(STORE_WINDOW_CLIENT, second);
        check_reach(&buckets, second, 4500, 3600);
        assert_in_range(buckets.before + buckets.after, 4, 5);
        buckets = token_buckets_old(STORE_WINDOW_CLIENT, second);
        check_reach(&buckets, second, 3600, 3600);
        assert_in_range(buckets.before + buckets.after, 1, 2);
    }
}

static void test_a_bucket_of_clients_lives_for_a_window_after_its_end(void **state)
{
    (void)state;
    for (uint64_t into = 0; into < TOKEN_BUCKET_CLIENT_S; into += 7) {
        uint64_t second = START + into;
        uint64_t end = START + TOKEN_BUCKET_CLIENT_S;

        assert_int_equal(second + token_buckets_client_life_s(second, second, 3600, 0), end + 3600);
        assert_int_equal(second + token_buckets_client_life_s(second, second, 60, 600),
                         end + 60 + 600);
        /*
         * later batches of the bucket set the same end; one from a journal never sets an earlier
         * end
         */
        assert_int_equal(second + 900 +
                             token_buckets_client_life_s(second, second + 900, 3600, 600),
                         end + 3600 + 600);
        assert_int_equal(token_buckets_client_life_s(second, second + 86400, 3600, 600), 600);
        assert_int_equal(token_buckets_client_life_s(second, second + 86400, 3600, 0),
                         TOKEN_BUCKET_LIFE_MIN_S);
        /* a clock that is ahead does not make it longer */
        assert_int_equal(token_buckets_client_life_s(second, second - 86400, 3600, 0),
                         end + 3600 - second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lookup_reaches_as_far_as_it_must),
        cmocka_unit_test(test_a_bucket_of_clients_lives_for_a_window_after_its_end),
    };

    return cmocka_run_group_tests_name("token_buckets", tests, NULL, NULL);
}
