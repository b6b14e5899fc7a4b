/* SPDX-License-Identifier: MIT */
#include "http/visit/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60000

static const struct rate three_a_minute = {.count = 3, .per_ms = MINUTE};

static struct rate_key key_of(const char *address, const char *site, const char *page)
{
    static struct in6_addr parsed;

    assert_int_equal(units_parse_ip(address, strlen(address), &parsed), 0);
    return (struct rate_key){&parsed, site, page, strlen(page)};
}

/** Acquires at `now_ms` after the start of time, which is not 0. */
static uint64_t take(struct rates *rates, const char *address, const char *page, uint64_t now_ms)
{
    struct rate_key key = key_of(address, "site", page);

    return rates_acquire(rates, &three_a_minute, &key, 1000000 + now_ms);
}

static void test_a_burst_and_then_one_at_a_time(void **state)
{
    struct rates *rates = rates_create();

    (void)state;
    assert_int_equal(take(rates, "192.0.2.1", "/", 0), 0);
    assert_int_equal(take(rates, "192.0.2.1", "/", 0), 0);
    assert_int_equal(take(rates, "192.0.2.1", "/", 0), 0);
    /* guards: Retry-After was a second longer than the limit's period */
    assert_int_equal(take(rates, "192.0.2.1", "/", 0), MINUTE / 3);
    assert_int_equal(take(rates, "192.0.2.1", "/", MINUTE / 3 - 1), 1); /* a refusal is free */
    assert_int_equal(take(rates, "192.0.2.1", "/", MINUTE / 3), 0);
    assert_true(take(rates, "192.0.2.1", "/", MINUTE / 3) > 0);
    /* full again */
    assert_int_equal(take(rates, "192.0.2.1", "/", 5 * MINUTE), 0);
    assert_int_equal(take(rates, "192.0.2.1", "/", 5 * MINUTE), 0);
    assert_int_equal(take(rates, "192.0.2.1", "/", 5 * MINUTE), 0);
    assert_true(take(rates, "192.0.2.1", "/", 5 * MINUTE) > 0);
    rates_destroy(rates);
    rates_destroy(NULL);
}

static void exhaust(struct rates *rates, const char *address)
{
    while (take(rates, address, "/", 0) == 0) {
    }
}

static void test_clients_and_pages_are_apart(void **state)
{
    struct rates *rates = rates_create();
    struct rate_key other_site;

    (void)state;
    exhaust(rates, "192.0.2.1");
    assert_int_equal(take(rates, "192.0.2.2", "/", 0), 0);
    assert_int_equal(take(rates, "192.0.2.1", "/other", 0), 0);
    other_site = key_of("192.0.2.1", "other", "/");
    assert_int_equal(rates_acquire(rates, &three_a_minute, &other_site, 1000000), 0);
    assert_true(take(rates, "192.0.2.1", "/", 0) > 0);
    rates_destroy(rates);
}

/** A subscriber can choose the rest of the address. */
static void test_ipv6_counts_by_network(void **state)
{
    struct rates *rates = rates_create();

    (void)state;
    exhaust(rates, "2001:db8:1:2::1");
    assert_true(take(rates, "2001:db8:1:2:ffff:1:2:3", "/", 0) > 0);
    assert_int_equal(take(rates, "2001:db8:1:3::1", "/", 0), 0);
    rates_destroy(rates);
}

/** In a flood of clients none pays for another, and the flood takes no memory. */
static void test_a_flood_of_clients(void **state)
{
    struct rates *rates = rates_create();

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        char address[32];

        snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(take(rates, address, "/", 0), 0);
    }
    rates_destroy(rates);
}

static void test_rates_beyond_one_a_microsecond(void **state)
{
    static const struct rate fast = {.count = 1000000000, .per_ms = 1000};
    struct rates *rates = rates_create();
    struct rate_key key = key_of("192.0.2.1", "site", "/");

    (void)state;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(rates_acquire(rates, &fast, &key, 5), 0);
    }
    rates_destroy(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_and_then_one_at_a_time),
        cmocka_unit_test(test_clients_and_pages_are_apart),
        cmocka_unit_test(test_ipv6_counts_by_network),
        cmocka_unit_test(test_a_flood_of_clients),
        cmocka_unit_test(test_rates_beyond_one_a_microsecond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
