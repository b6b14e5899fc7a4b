/* SPDX-License-Identifier: MIT */
#include "http/request/client.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define HEADERS_MAX 8

static h2o_iovec_t text(const char *string)
{
    return h2o_iovec_init(string, string != NULL ? strlen(string) : 0);
}

/* Headers */

/** Reads the headers of a libh2o request. Each line is "name: value"; NULL ends them. */
static void take(const char *const *lines, struct request_headers *ret_headers)
{
    static h2o_iovec_t names[HEADERS_MAX];
    static h2o_header_t entries[HEADERS_MAX];
    static h2o_req_t h2o;
    struct request request = {.h2o = &h2o};
    size_t count = 0;

    h2o_mem_init_pool(&h2o.pool);
    for (; lines[count] != NULL; count++) {
        const char *colon = strchr(lines[count], ':');

        names[count] = h2o_iovec_init(lines[count], (size_t)(colon - lines[count]));
        entries[count] = (h2o_header_t){&names[count], NULL, text(colon + 2)};
    }
    h2o.headers = (h2o_headers_t){entries, count, count};
    client_read_headers(&request, ret_headers);
}

static void assert_text(h2o_iovec_t value, const char *expected)
{
    assert_int_equal(value.len, strlen(expected));
    assert_memory_equal(value.base, expected, value.len);
}

static void test_each_header(void **state)
{
    static const char *const lines[] = {
        "accept: text/html", "user-agent: a", "origin: b",    "referer: c",
        "sec-gpc: 1",        "purpose: d",    "x-real-ip: e", NULL};
    static const char *const others[] = {
        "x-moz: f",           "sec-purpose: g",     "dnt: 1",
        "x-request-id: h",    "x-forwarded-for: i", "idempotency-key: j",
        "x-forwarded-xxx: k", "x-purpose: l",       NULL};
    struct request_headers headers;

    (void)state;
    take(lines, &headers);
    assert_text(headers.user_agent, "a");
    assert_text(headers.origin, "b");
    assert_text(headers.referer, "c");
    assert_text(headers.gpc, "1");
    assert_text(headers.purpose, "d");
    assert_text(headers.real_ip, "e");
    assert_null(headers.dnt.base);
    take(others, &headers);
    assert_text(headers.moz, "f");
    assert_text(headers.sec_purpose, "g");
    assert_text(headers.dnt, "1");
    assert_text(headers.request_id, "h");
    assert_text(headers.forwarded_for, "i");
    assert_text(headers.idempotency_key, "j");
    assert_text(headers.x_purpose, "l");
    assert_null(headers.user_agent.base);
}

static void test_headers_twice(void **state)
{
    static const char *const lines[] = {"x-real-ip: 1", "x-forwarded-for: a, b", "x-real-ip: 2",
                                        "x-forwarded-for: c", NULL};
    struct request_headers headers;

    (void)state;
    take(lines, &headers);
    assert_text(headers.real_ip, "1");
    assert_text(headers.forwarded_for, "a, b,c");
}

/* Addresses */

static struct config_networks trusted;

static int make_networks(void **state)
{
    (void)state;
    trusted.items = calloc(2, sizeof(trusted.items[0]));
    trusted.count = 2;
    return network_parse("10.0.0.0/8", &trusted.items[0]) != 0 ||
           network_parse("2001:db8::/32", &trusted.items[1]) != 0;
}

static int free_networks(void **state)
{
    (void)state;
    free(trusted.items);
    return 0;
}

struct row {
    const char *peer; /* NULL: a unix socket */
    const char *real_ip;
    const char *forwarded_for;
    enum client_source source;
    const char *address; /* NULL: none */
};

static void check(const struct row *row)
{
    struct client_evidence evidence = {
        .is_local = row->peer == NULL,
        .real_ip = text(row->real_ip),
        .forwarded_for = text(row->forwarded_for),
    };
    struct in6_addr address;
    struct in6_addr other;
    char found[INET6_ADDRSTRLEN];
    enum client_source source;

    if (row->peer != NULL) {
        assert_int_equal(units_parse_ip(row->peer, strlen(row->peer), &evidence.peer), 0);
    }
    memset(&address, 0xa5, sizeof(address));
    memset(&other, 0x5a, sizeof(other));
    source = client_find(&trusted, &evidence, &address);
    assert_int_equal(client_find(&trusted, &evidence, &other), source);
    assert_memory_equal(&address, &other, sizeof(other)); /* the address is always set */
    if (source != row->source) {
        fail_msg("%s, %s, %s: %s", row->peer, row->real_ip, row->forwarded_for,
                 client_source_text(source));
    }
    if (row->address != NULL) {
        assert_string_equal(client_format(&address, found), row->address);
    }
}

static void test_addresses(void **state)
{
    static const struct row rows[] = {
        /* untrusted peers: their headers are ignored */
        {"192.0.2.1", NULL, NULL, CLIENT_UNTRUSTED, "192.0.2.1"},
        {"192.0.2.1", "198.51.100.1", "198.51.100.2", CLIENT_UNTRUSTED, "192.0.2.1"},
        {"2001:db9::1", "198.51.100.1", NULL, CLIENT_UNTRUSTED, "2001:db9::1"},
        /* X-Real-IP */
        {"10.0.0.1", "198.51.100.1", "198.51.100.2", CLIENT_REAL_IP, "198.51.100.1"},
        {"10.0.0.1", " 198.51.100.1\t", NULL, CLIENT_REAL_IP, "198.51.100.1"},
        {"2001:db8::1", "2001:DB9::5", NULL, CLIENT_REAL_IP, "2001:db9::5"},
        {"10.0.0.1", "[2001:db9::5]:443", NULL, CLIENT_REAL_IP, "2001:db9::5"},
        {"10.0.0.1", "198.51.100.1:5000", NULL, CLIENT_REAL_IP, "198.51.100.1"},
        {NULL, "198.51.100.1", NULL, CLIENT_REAL_IP, "198.51.100.1"},
        {"10.0.0.1", "10.9.9.9", NULL, CLIENT_REAL_IP, "10.9.9.9"}, /* may be trusted */
        /* X-Forwarded-For, if X-Real-IP is missing or invalid */
        {"10.0.0.1", "nobody", "198.51.100.2", CLIENT_FORWARDED_FOR, "198.51.100.2"},
        {"10.0.0.1", "", "1.1.1.1, 198.51.100.2", CLIENT_FORWARDED_FOR, "198.51.100.2"},
        {"10.0.0.1", NULL, "198.51.100.2, 10.0.0.2 ,10.0.0.3", CLIENT_FORWARDED_FOR,
         "198.51.100.2"},
        {"10.0.0.1", NULL, "6.6.6.6, 198.51.100.2,2001:db8::7", CLIENT_FORWARDED_FOR,
         "198.51.100.2"},
        {"10.0.0.1", NULL, "10.0.0.9, 10.0.0.2", CLIENT_FIRST_HOP, "10.0.0.9"},
        {"10.0.0.1", NULL, "unknown, 10.0.0.2", CLIENT_FIRST_HOP, "10.0.0.2"},
        /* empty elements are ignored (RFC 9110, 5.6.1) */
        {"10.0.0.1", NULL, "6.6.6.6, , 10.0.0.2", CLIENT_FORWARDED_FOR, "6.6.6.6"},
        {"10.0.0.1", NULL, "6.6.6.6,", CLIENT_FORWARDED_FOR, "6.6.6.6"},
        {"10.0.0.1", NULL, ",198.51.100.2,, \t, 10.0.0.2, ,", CLIENT_FORWARDED_FOR, "198.51.100.2"},
        {"10.0.0.1", NULL, " , ,", CLIENT_SILENT, "10.0.0.1"},
        /* some proxies put quotes around an address */
        {"10.0.0.1", NULL, "\"198.51.100.2\"", CLIENT_FORWARDED_FOR, "198.51.100.2"},
        {"10.0.0.1", NULL, "\"[2001:db9::5]:443\", \"10.0.0.2:80\"", CLIENT_FORWARDED_FOR,
         "2001:db9::5"},
        {"10.0.0.1", NULL, "198.51.100.2, \"\", 10.0.0.2", CLIENT_FIRST_HOP, "10.0.0.2"},
        {"10.0.0.1", NULL, "\"198.51.100.2", CLIENT_SILENT, "10.0.0.1"},
        {"10.0.0.1", NULL, "\"", CLIENT_SILENT, "10.0.0.1"},
        {"10.0.0.1", "\"198.51.100.1\"", NULL, CLIENT_REAL_IP, "198.51.100.1"},
        {NULL, NULL, "198.51.100.2", CLIENT_FORWARDED_FOR, "198.51.100.2"},
        /* no header names a client */
        {"10.0.0.1", NULL, NULL, CLIENT_SILENT, "10.0.0.1"},
        {"10.0.0.1", "x", "y", CLIENT_SILENT, "10.0.0.1"},
        {NULL, NULL, NULL, CLIENT_UNKNOWN, NULL},
        {NULL, "", ",", CLIENT_UNKNOWN, NULL},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        check(&rows[i]);
    }
}

/** A client cannot choose its address with a header: the entry that the proxy appends decides. */
static void test_a_client_cannot_choose_its_address(void **state)
{
    static const char *const begins[] = {
        "",     "1.1.1.1, ", "10.0.0.1, ",           "x, ",
        ",,,",  "[, ",       "10.0.0.1, 10.0.0.2, ", "1.1.1.1:80, ",
        "::1, "};

    (void)state;
    for (size_t i = 0; i < LENGTH(begins); i++) {
        char list[128];

        snprintf(list, sizeof(list), "%s203.0.113.9, 10.0.0.5", begins[i]);
        check(&(struct row){"10.0.0.1", NULL, list, CLIENT_FORWARDED_FOR, "203.0.113.9"});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_header),
        cmocka_unit_test(test_headers_twice),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_client_cannot_choose_its_address),
    };

    return cmocka_run_group_tests(tests, make_networks, free_networks);
}
