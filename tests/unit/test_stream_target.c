/* SPDX-License-Identifier: MIT */
#include "store/redis/stream_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static struct stream_peer peer_of(char letter)
{
    struct stream_peer peer = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&peer.sockaddr;

    address->sin_family = AF_INET;
    address->sin_port = htons(6379);
    address->sin_addr.s_addr = htonl(0x0a000000 + (uint32_t)(letter - 'a' + 1));
    return peer;
}

/* returns the order in which these addresses are tried; marks the first `tried` of them as tried */
static const char *order(struct stream_target *target, const char *letters, size_t tried)
{
    static char text[STREAM_PEERS_MAX + 1];
    struct stream_peer peers[STREAM_PEERS_MAX];
    size_t count = strlen(letters);

    for (size_t i = 0; i < count; i++) {
        peers[i] = peer_of(letters[i]);
    }
    stream_target_order(target, peers, count);
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)&peers[i].sockaddr;

        text[i] = (char)('a' + (ntohl(address->sin_addr.s_addr) & 0xff) - 1);
    }
    text[count] = '\0';
    for (size_t i = 0; i < tried; i++) {
        stream_target_note(target, &peers[i]);
    }
    return text;
}

static void test_one_after_the_other(void **state)
{
    struct stream_target target = {0};

    (void)state;
    assert_string_equal(order(&target, "abc", 1), "abc");
    assert_string_equal(order(&target, "abc", 1), "bca");
    assert_string_equal(order(&target, "abc", 1), "cab");
    assert_string_equal(order(&target, "abc", 2), "abc"); /* a refused at once, so b was tried */
    assert_string_equal(order(&target, "abc", 1), "cab");
    stream_target_settle(&target);
    assert_string_equal(order(&target, "abc", 1), "abc");
}

/* name servers return the addresses in a different order each time; all are tried anyway */
static void test_in_an_order_that_changes(void **state)
{
    struct stream_target target = {0};

    (void)state;
    assert_string_equal(order(&target, "cab", 1), "cab");
    assert_string_equal(order(&target, "cba", 1), "bac");
    assert_string_equal(order(&target, "bca", 1), "abc");
    assert_string_equal(order(&target, "acb", 1), "cba"); /* a new round, not with the last one */
}

static void test_addresses_that_come_and_go(void **state)
{
    struct stream_target target = {0};

    (void)state;
    assert_string_equal(order(&target, "a", 1), "a");
    assert_string_equal(order(&target, "a", 1), "a");
    assert_string_equal(order(&target, "ab", 1), "ba");
    assert_string_equal(order(&target, "c", 1), "c");
    assert_string_equal(order(&target, "cd", 1), "dc");
    for (char letter = 'e'; letter < 'z'; letter++) { /* more addresses than it remembers */
        char name[2] = {letter, '\0'};

        assert_string_equal(order(&target, name, 1), name);
    }
    assert_string_equal(order(&target, "yz", 1), "zy");
}

static void test_the_text_of_a_peer(void **state)
{
    struct stream_target target = {0};
    struct stream_peer peer = peer_of('c');
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};

    (void)state;
    stream_target_note(&target, &peer);
    assert_string_equal(target.peer, "10.0.0.3:6379");
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    memcpy(&peer.sockaddr, &v6, sizeof(v6));
    peer.length = sizeof(v6);
    stream_target_note(&target, &peer);
    assert_string_equal(target.peer, "[2001:db8::1]:1");
    memcpy(&peer.sockaddr, &local, sizeof(local));
    peer.length = sizeof(local);
    stream_target_note(&target, &peer);
    assert_string_equal(target.peer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_in_an_order_that_changes),
        cmocka_unit_test(test_addresses_that_come_and_go),
        cmocka_unit_test(test_the_text_of_a_peer),
    };

    return cmocka_run_group_tests_name("stream_target", tests, NULL, NULL);
}
