/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct word {
    struct map_node node;
    char text[32];
    int seen;
};

static struct word *word_of(struct map_node *node)
{
    return node == NULL ? NULL : container_of(node, struct word, node);
}

static struct word *find_word(const struct map *map, const char *text)
{
    return word_of(map_find(map, text, strlen(text)));
}

/* `count` words "word-0", "word-1", … in a new map */
static struct word *fill(struct map *map, int count)
{
    struct word *words = calloc((size_t)count, sizeof(*words));

    assert_non_null(words);
    map_init(map);
    for (int i = 0; i < count; i++) {
        snprintf(words[i].text, sizeof(words[i].text), "word-%d", i);
        map_insert(map, &words[i].node, words[i].text, strlen(words[i].text));
    }
    return words;
}

/*
 * The values come from hash() of bytes in CPython 3.11, which has its own SipHash-1-3. Its secret
 * is 0 with PYTHONHASHSEED=0, and known with PYTHONHASHSEED=42. The last value is the first vector
 * of Rust's core::hash tests (secret 00 01 … 0f).
 */
static void test_hash_is_siphash_1_3(void **state)
{
    static const uint64_t zero[2] = {0, 0};
    static const uint64_t seed_42[2] = {0xdc504fd368cd90af, 0xb920bb9ffe99e9c1};
    static const uint64_t counting[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char bytes[512];

    (void)state;
    assert_true(map_hash(zero, "a", 1) == 0x407448d2b89b1813);
    assert_true(map_hash(zero, "abcdefg", 7) == 0x6db12aae9070f506);
    assert_true(map_hash(zero, "abcdefgh", 8) == 0x3f7b849c0b8e35ea);
    assert_true(map_hash(zero, "abcdefghi", 9) == 0xf89b34a3d11eb6e5);
    assert_true(map_hash(seed_42, "abcdefghi", 9) == 0xad255ab35982cc7f);
    for (int i = 0; i < 63; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_true(map_hash(zero, bytes, 63) == 0x385d3e39e5f37359);
    assert_true(map_hash(seed_42, bytes, 63) == 0x06e24d6f0d014c37);
    memset(bytes, 'x', sizeof(bytes));
    assert_true(map_hash(zero, bytes, sizeof(bytes)) == 0x0aec860f7b3519f5);
    assert_true(map_hash(seed_42, bytes, sizeof(bytes)) == 0x904f1771c9cc9df6);
    assert_true(map_hash(counting, "", 0) == 0xabac0158050fc4dc);
}

static void test_an_empty_map_has_nothing(void **state)
{
    struct map map;

    (void)state;
    map_init(&map);
    assert_int_equal(map_count(&map), 0);
    assert_null(map_find(&map, "a", 1));
    assert_null(map_next(&map, NULL));
    map_for_each(node, &map) {
        fail_msg("a node in an empty map: %p", (void *)node);
    }
    map_clear(&map);
    map_finish(&map);
}

static void test_finds_what_was_inserted(void **state)
{
    struct map map;
    struct word *words = fill(&map, 10000);

    (void)state;
    assert_int_equal(map_count(&map), 10000);
    for (int i = 0; i < 10000; i++) {
        assert_ptr_equal(find_word(&map, words[i].text), &words[i]);
    }
    assert_null(find_word(&map, "word-10000"));
    assert_null(find_word(&map, "word"));
    assert_null(find_word(&map, ""));
    map_finish(&map);
    free(words);
}

static void test_keys_are_bytes(void **state)
{
    static const char keys[][4] = {"", "a", "a\0", "a\0b", "\0", "\0\0", "\xff\xfe"};
    static const size_t lengths[] = {0, 1, 2, 3, 1, 2, 2};
    struct word words[7];
    struct map map;

    (void)state;
    map_init(&map);
    for (int i = 0; i < 7; i++) {
        assert_null(map_find(&map, keys[i], lengths[i]));
        map_insert(&map, &words[i].node, keys[i], lengths[i]);
    }
    for (int i = 0; i < 7; i++) {
        assert_ptr_equal(word_of(map_find(&map, keys[i], lengths[i])), &words[i]);
    }
    map_finish(&map);
}

static void test_removes(void **state)
{
    struct map map;
    struct word *words = fill(&map, 1000);

    (void)state;
    for (int i = 0; i < 1000; i += 2) {
        map_remove(&map, &words[i].node);
    }
    assert_int_equal(map_count(&map), 500);
    for (int i = 0; i < 1000; i++) {
        assert_ptr_equal(find_word(&map, words[i].text), i % 2 == 0 ? NULL : &words[i]);
    }
    map_insert(&map, &words[0].node, words[0].text, strlen(words[0].text));
    assert_ptr_equal(find_word(&map, "word-0"), &words[0]);
    map_finish(&map);
    free(words);
}

static void test_visits_each_member_once(void **state)
{
    struct map map;
    struct word *words = fill(&map, 1000);

    (void)state;
    map_for_each(node, &map) {
        word_of(node)->seen++;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(words[i].seen, 1);
    }
    map_finish(&map);
    free(words);
}

static void test_the_visited_member_may_be_removed(void **state)
{
    struct map map;
    struct word *words = fill(&map, 1000);
    int visited = 0;

    (void)state;
    map_for_each(node, &map) {
        map_remove(&map, node);
        memset(word_of(node), 0xee, sizeof(struct word)); /* as if freed */
        visited++;
    }
    assert_int_equal(visited, 1000);
    assert_int_equal(map_count(&map), 0);
    assert_null(map_next(&map, NULL));
    map_finish(&map);
    free(words);
}

static void test_clear_forgets_all(void **state)
{
    struct map map;
    struct word *words = fill(&map, 100);

    (void)state;
    map_clear(&map);
    assert_int_equal(map_count(&map), 0);
    assert_non_null(map.buckets);
    for (int i = 0; i < 100; i++) {
        assert_null(find_word(&map, words[i].text));
        map_insert(&map, &words[i].node, words[i].text, strlen(words[i].text));
    }
    assert_int_equal(map_count(&map), 100);
    map_finish(&map);
    free(words);
}

/* guards: after a burst every later clear cost as much as after the burst */
static void test_clear_frees_a_table_that_is_far_too_large(void **state)
{
    struct map map;
    struct word *words = fill(&map, 1000);

    (void)state;
    map_clear(&map);
    map_insert(&map, &words[0].node, words[0].text, strlen(words[0].text));
    map_clear(&map);
    assert_null(map.buckets);
    map_insert(&map, &words[0].node, words[0].text, strlen(words[0].text));
    assert_ptr_equal(find_word(&map, "word-0"), &words[0]);
    map_finish(&map);
    free(words);
}

/* the hashes spread the nodes: no bucket of a full table is long */
static void test_buckets_stay_short(void **state)
{
    struct map map;
    struct word *words = fill(&map, 4096);

    (void)state;
    for (size_t i = 0; i < map.bucket_count; i++) {
        int length = 0;

        for (struct map_node *node = map.buckets[i]; node != NULL; node = node->next) {
            length++;
        }
        assert_in_range(length, 0, 16);
    }
    map_finish(&map);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_siphash_1_3),
        cmocka_unit_test(test_an_empty_map_has_nothing),
        cmocka_unit_test(test_finds_what_was_inserted),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_removes),
        cmocka_unit_test(test_visits_each_member_once),
        cmocka_unit_test(test_the_visited_member_may_be_removed),
        cmocka_unit_test(test_clear_forgets_all),
        cmocka_unit_test(test_clear_frees_a_table_that_is_far_too_large),
        cmocka_unit_test(test_buckets_stay_short),
    };

    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
