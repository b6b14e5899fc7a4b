/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* a parser that fails leaves its output unchanged */
#define UNTOUCHED 4711

struct number_row {
    const char *text;
    int rc;
    uint64_t value;
};

static void check_numbers(const struct number_row *rows, size_t count,
                          int (*parse)(const char *text, uint64_t *ret_value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;
        int rc = parse(rows[i].text, &value);

        if (rc != rows[i].rc || value != (rc == 0 ? rows[i].value : UNTOUCHED)) {
            fail_msg("\"%s\" gives %d and %llu", rows[i].text, rc, (unsigned long long)value);
        }
    }
}

static void whole_numbers(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"6379", 0, 6379},
        {"007", 0, 7},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"1\n", -EINVAL, 0},
        {"1.5", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"abc", -EINVAL, 0},
        {"tcp://10.0.0.1:6379", -EINVAL, 0},
    };

    (void)state;
    check_numbers(rows, LENGTH(rows), units_parse_u64);
}

static void durations(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"0s", 0, 0},
        {"250ms", 0, 250},
        {"5s", 0, 5000},
        {"2m", 0, 120000},
        {"3h", 0, 10800000},
        {"7d", 0, 604800000},
        {"18446744073709551615ms", 0, UINT64_MAX},
        {"213503982334d", 0, 213503982334 * UINT64_C(86400000)},
        {"213503982335d", -ERANGE, 0},
        {"18446744073709551616ms", -ERANGE, 0},
        {"250", -EINVAL, 0},
        {"00", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"ms", -EINVAL, 0},
        {"5 s", -EINVAL, 0},
        {"5S", -EINVAL, 0},
        {"5sec", -EINVAL, 0},
        {"1.5s", -EINVAL, 0},
        {"-5s", -EINVAL, 0},
        {"1h30m", -EINVAL, 0},
        {" 5s", -EINVAL, 0},
        {"5s ", -EINVAL, 0},
        {"64KiB", -EINVAL, 0},
    };

    (void)state;
    check_numbers(rows, LENGTH(rows), units_parse_duration);
}

static void sizes(void **state)
{
    static const struct number_row rows[] = {
        {"0", 0, 0},
        {"1B", 0, 1},
        {"64KiB", 0, 65536},
        {"64MiB", 0, 67108864},
        {"2GiB", 0, 2147483648},
        {"17179869183GiB", 0, 17179869183 * UINT64_C(1073741824)},
        {"17179869184GiB", -ERANGE, 0},
        {"64", -EINVAL, 0},
        {"64K", -EINVAL, 0},
        {"64KB", -EINVAL, 0},
        {"64kib", -EINVAL, 0},
        {"5s", -EINVAL, 0},
        {"", -EINVAL, 0},
    };

    (void)state;
    check_numbers(rows, LENGTH(rows), units_parse_size);
}

static void printed_durations_and_sizes_can_be_read_again(void **state)
{
    static const struct {
        uint64_t value;
        const char *duration;
        const char *size;
    } rows[] = {
        {0, "0", "0"},
        {1, "1ms", "1B"},
        {1000, "1s", "1000B"},
        {1024, "1024ms", "1KiB"},
        {65536, "65536ms", "64KiB"},
        {90000, "90s", "90000B"},
        {3600000, "1h", "3600000B"},
        {86400000, "1d", "84375KiB"},
        {1073741824, "1073741824ms", "1GiB"},
        {UINT64_MAX, "18446744073709551615ms", "18446744073709551615B"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[UNITS_TEXT_MAX];
        uint64_t value;

        assert_string_equal(units_format_duration(rows[i].value, text), rows[i].duration);
        assert_int_equal(units_parse_duration(text, &value), 0);
        assert_int_equal(value, rows[i].value);
        assert_string_equal(units_format_size(rows[i].value, text), rows[i].size);
        assert_int_equal(units_parse_size(text, &value), 0);
        assert_int_equal(value, rows[i].value);
    }
}

static void addresses_of_hosts(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"[::1]:6379", "::1", 6379},
        {"redis:6379", "redis", 6379},
        {"redis-1.my_net.example.:1", "redis-1.my_net.example.", 1},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535},
        {"1host:5", "1host", 5},
        {"[::ffff:10.0.0.1]:5", "::ffff:10.0.0.1", 5},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address address;

        assert_int_equal(address_parse(rows[i].text, &address), 0);
        assert_false(address.is_unix);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
        assert_string_equal(address.path, "");
        assert_string_equal(address_format(&address, text), rows[i].text);
    }
}

static void addresses_that_are_none(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"", -EINVAL},
        {"8080", -EINVAL},
        {":8080", -EINVAL},
        {"localhost", -EINVAL},
        {"localhost:", -EINVAL},
        {"localhost:http", -EINVAL},
        {"localhost:-1", -EINVAL},
        {"localhost: 80", -EINVAL},
        {"localhost:65536", -ERANGE},
        {"localhost:99999999999999999999", -ERANGE},
        {"*:80", -EINVAL},
        {"a b:80", -EINVAL},
        {"h\xc3\xa4user:80", -EINVAL},
        {"::1:80", -EINVAL},
        {"[::1]", -EINVAL},
        {"[]:80", -EINVAL},
        {"[127.0.0.1]:80", -EINVAL},
        {"[::g]:80", -EINVAL},
        {"[::1%]:80", -EINVAL},
        {"[::1:80", -EINVAL},
        {"256.0.0.1:80", -EINVAL},
        {"10.0.0:80", -EINVAL},
        {"http://localhost:80", -EINVAL},
        {"unix:", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct address address = {.port = UNTOUCHED};

        if (address_parse(rows[i].text, &address) != rows[i].rc || address.port != UNTOUCHED) {
            fail_msg("\"%s\" gives %d", rows[i].text, address_parse(rows[i].text, &address));
        }
    }
}

static void an_address_has_a_host_of_255_bytes_and_no_more(void **state)
{
    char text[300];
    struct address address;

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + 255, ":1");
    assert_int_equal(address_parse(text, &address), 0);
    assert_int_equal(strlen(address.host), 255);
    strcpy(text + 255, "a:1");
    assert_int_equal(address_parse(text, &address), -ERANGE);
}

static void a_unix_address_has_a_path_of_107_bytes_and_no_more(void **state)
{
    char text[200] = "unix:/";
    char again[ADDRESS_TEXT_MAX];
    struct address address;

    (void)state;
    memset(text + 6, 'x', 106);
    assert_int_equal(address_parse(text, &address), 0);
    assert_true(address.is_unix);
    assert_int_equal(strlen(address.path), 107);
    assert_string_equal(address.host, "");
    assert_string_equal(address_format(&address, again), text);
    text[6 + 106] = 'x';
    assert_int_equal(address_parse(text, &address), -ENAMETOOLONG);
}

static void networks(void **state)
{
    static const struct {
        const char *text;
        int rc;
        const char *printed;
    } rows[] = {
        {"10.0.0.0/8", 0, "10.0.0.0/8"},
        {"127.0.0.1", 0, "127.0.0.1"},
        {"127.0.0.1/32", 0, "127.0.0.1"},
        {"0.0.0.0/0", 0, "0.0.0.0/0"},
        {"10.128.0.0/9", 0, "10.128.0.0/9"},
        {"2001:db8::/32", 0, "2001:db8::/32"},
        {"::1", 0, "::1"},
        {"::/0", 0, "::/0"},
        {"::ffff:10.0.0.0/104", 0, "10.0.0.0/8"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", 0,
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
        {"10.0.0.1/8", -ERANGE, NULL},
        {"10.128.0.0/8", -ERANGE, NULL},
        {"2001:db8::1/32", -ERANGE, NULL},
        {"10.0.0.0/33", -ERANGE, NULL},
        {"::/129", -ERANGE, NULL},
        {"10.0.0.0/99999999999999999999", -ERANGE, NULL},
        {"10.0.0.0/", -EINVAL, NULL},
        {"10.0.0.0/a", -EINVAL, NULL},
        {"10.0.0.0/8/8", -EINVAL, NULL},
        {"10.0.0/8", -EINVAL, NULL},
        {"10.0.0.0 /8", -EINVAL, NULL},
        {"/8", -EINVAL, NULL},
        {"", -EINVAL, NULL},
        {"localhost", -EINVAL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct network network = {.prefix = 77};
        char text[64];
        int rc = network_parse(rows[i].text, &network);

        if (rc != rows[i].rc || (rc < 0 && network.prefix != 77)) {
            fail_msg("\"%s\" gives %d", rows[i].text, rc);
        }
        if (rc == 0) {
            assert_string_equal(network_format(&network, text), rows[i].printed);
        }
    }
}

static void what_a_network_contains(void **state)
{
    static const struct {
        const char *network;
        const char *address;
        bool contains;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "a00::", false},
        {"10.128.0.0/9", "10.127.255.255", false},
        {"10.128.0.0/9", "10.128.0.0", true},
        {"192.168.1.4/30", "192.168.1.7", true},
        {"192.168.1.4/30", "192.168.1.8", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::/0", "2001:db9::1", true},
        {"::1", "::1", true},
        {"::1", "::2", false},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct network network;
        struct in6_addr address;

        assert_int_equal(network_parse(rows[i].network, &network), 0);
        assert_int_equal(units_parse_ip(rows[i].address, strlen(rows[i].address), &address), 0);
        if (network_contains(&network, &address) != rows[i].contains) {
            fail_msg("%s in %s", rows[i].address, rows[i].network);
        }
    }
}

static void an_ip_address_ends_where_its_length_says(void **state)
{
    static const char header[] = "10.0.0.1, 10.0.0.2";
    struct in6_addr address;
    struct in6_addr expected;

    (void)state;
    inet_pton(AF_INET6, "::ffff:10.0.0.1", &expected);
    assert_int_equal(units_parse_ip(header, 8, &address), 0);
    assert_memory_equal(&address, &expected, sizeof(address));
    assert_int_equal(units_parse_ip(header, 9, &address), -EINVAL);
    assert_int_equal(units_parse_ip(header, 0, &address), -EINVAL);
    assert_int_equal(units_parse_ip("::1\0x", 5, &address), -EINVAL);
    assert_int_equal(units_parse_ip("010.0.0.1", 9, &address), -EINVAL);
    assert_int_equal(units_parse_ip("unknown", 7, &address), -EINVAL);
    assert_int_equal(units_parse_ip("1111:2222:3333:4444:5555:6666:7777:8888:9999", 44, &address),
                     -EINVAL);
}

static void socket_addresses_as_ip(void **state)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct in6_addr address;
    struct in6_addr expected;

    (void)state;
    inet_pton(AF_INET, "10.0.0.1", &ipv4.sin_addr);
    inet_pton(AF_INET6, "::ffff:10.0.0.1", &expected);
    assert_int_equal(units_sockaddr_ip((struct sockaddr *)&ipv4, &address), 0);
    assert_memory_equal(&address, &expected, sizeof(address));
    inet_pton(AF_INET6, "2001:db8::1", &ipv6.sin6_addr);
    assert_int_equal(units_sockaddr_ip((struct sockaddr *)&ipv6, &address), 0);
    assert_memory_equal(&address, &ipv6.sin6_addr, sizeof(address));
    assert_int_equal(units_sockaddr_ip((struct sockaddr *)&local, &address), -EAFNOSUPPORT);
}

static void rates(void **state)
{
    static const struct {
        const char *text;
        int rc;
        struct rate rate;
        const char *printed;
    } rows[] = {
        {"30/1m", 0, {30, 60000}, "30/1m"},
        {"1/500ms", 0, {1, 500}, "1/500ms"},
        {"60/3600s", 0, {60, 3600000}, "60/1h"},
        {"0/1m", -ERANGE, {0, 0}, NULL},
        {"1/0", -ERANGE, {0, 0}, NULL},
        {"30", -EINVAL, {0, 0}, NULL},
        {"30/", -EINVAL, {0, 0}, NULL},
        {"/1m", -EINVAL, {0, 0}, NULL},
        {"30/1", -EINVAL, {0, 0}, NULL},
        {"30 /1m", -EINVAL, {0, 0}, NULL},
        {"", -EINVAL, {0, 0}, NULL},
        {"99999999999999999999/1m", -ERANGE, {0, 0}, NULL},
    };
    char text[2 * UNITS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct rate rate = {UNTOUCHED, UNTOUCHED};
        int rc = rate_parse(rows[i].text, &rate);

        if (rc != rows[i].rc) {
            fail_msg("\"%s\" gives %d", rows[i].text, rc);
        }
        assert_int_equal(rate.count, rc == 0 ? rows[i].rate.count : UNTOUCHED);
        assert_int_equal(rate.per_ms, rc == 0 ? rows[i].rate.per_ms : UNTOUCHED);
        if (rc == 0) {
            assert_string_equal(rate_format(&rate, text), rows[i].printed);
        }
    }
    assert_string_equal(rate_format(&(struct rate){0, 0}, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(rates),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(printed_durations_and_sizes_can_be_read_again),
        cmocka_unit_test(addresses_of_hosts),
        cmocka_unit_test(addresses_that_are_none),
        cmocka_unit_test(an_address_has_a_host_of_255_bytes_and_no_more),
        cmocka_unit_test(a_unix_address_has_a_path_of_107_bytes_and_no_more),
        cmocka_unit_test(networks),
        cmocka_unit_test(what_a_network_contains),
        cmocka_unit_test(an_ip_address_ends_where_its_length_says),
        cmocka_unit_test(socket_addresses_as_ip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
