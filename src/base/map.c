/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/alloc.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MIN 16

static uint64_t process_secret[2];
static pthread_once_t process_secret_once = PTHREAD_ONCE_INIT;

static void draw_process_secret(void)
{
    /* as few bytes as this come at once or not at all, see getrandom(2) */
    if (getrandom(process_secret, sizeof(process_secret), 0) != (ssize_t)sizeof(process_secret)) {
        abort();
    }
}

static inline uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/*
 * Aumasson, Bernstein: SipHash: a fast short-input PRF, INDOCRYPT 2012; with one round per word and
 * three at the end, which is what hash tables need: nobody sees the values.
 */
uint64_t map_hash(const uint64_t secret[2], const void *bytes, size_t length)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
                     secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
    const unsigned char *at = bytes;
    uint64_t word;

    for (size_t left = length; left >= sizeof(word); left -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sip_word(v, le64toh(word));
        at += sizeof(word);
    }
    word = (uint64_t)length << 56;
    for (size_t i = 0; i < length % sizeof(word); i++) {
        word |= (uint64_t)at[i] << 8 * i;
    }
    sip_word(v, word);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash_key(const char *key, size_t key_length)
{
    return map_hash(process_secret, key, key_length);
}

void map_init(struct map *map)
{
    pthread_once(&process_secret_once, draw_process_secret);
    *map = (struct map){NULL, 0, 0};
}

void map_finish(struct map *map)
{
    free(map->buckets);
    *map = (struct map){NULL, 0, 0};
}

void map_clear(struct map *map)
{
    /* after one huge use, wiping the table would cost more than all the small uses that follow */
    if (map->bucket_count > BUCKETS_MIN && map->count < map->bucket_count / 8) {
        map_finish(map);
    } else if (map->buckets != NULL) {
        memset(map->buckets, 0, map->bucket_count * sizeof(*map->buckets));
        map->count = 0;
    }
}

static struct map_node **bucket_of(const struct map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

struct map_node *map_find(const struct map *map, const char *key, size_t key_length)
{
    uint64_t hash;

    if (map->count == 0) {
        return NULL;
    }
    hash = map_hash_key(key, key_length);
    for (struct map_node *node = *bucket_of(map, hash); node != NULL; node = node->next) {
        if (node->hash == hash && node->key_length == key_length &&
            memcmp(node->key, key, key_length) == 0) {
            return node;
        }
    }
    return NULL;
}

static void link_node(struct map *map, struct map_node *node)
{
    struct map_node **bucket = bucket_of(map, node->hash);

    node->next = *bucket;
    *bucket = node;
}

static void grow(struct map *map)
{
    struct map old = *map;

    map->bucket_count = old.bucket_count == 0 ? BUCKETS_MIN : old.bucket_count * 2;
    map->buckets = alloc_zero(map->bucket_count, sizeof(*map->buckets));
    map_for_each(node, &old) {
        link_node(map, node);
    }
    free(old.buckets);
}

void map_insert(struct map *map, struct map_node *node, const char *key, size_t key_length)
{
    if (map->count == map->bucket_count) {
        grow(map);
    }
    node->hash = map_hash_key(key, key_length);
    node->key = key;
    node->key_length = key_length;
    link_node(map, node);
    map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **link = bucket_of(map, node->hash);

    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    map->count--;
}

struct map_node *map_next(const struct map *map, const struct map_node *node)
{
    size_t bucket = 0;

    if (node != NULL) {
        if (node->next != NULL) {
            return node->next;
        }
        bucket = (node->hash & (map->bucket_count - 1)) + 1;
    }
    for (; bucket < map->bucket_count; bucket++) {
        if (map->buckets[bucket] != NULL) {
            return map->buckets[bucket];
        }
    }
    return NULL;
}
