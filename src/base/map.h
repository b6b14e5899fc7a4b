/* SPDX-License-Identifier: MIT */
/**
 * map: an intrusive hash map from byte strings to members.
 *
 * A member embeds a `struct map_node`. The caller owns the member and the bytes of its key, and
 * keeps both unchanged while the member is in the map. The map owns only its table. The hash uses
 * a random secret of the process, so that a client that chooses keys cannot make them collide.
 */
#ifndef VISITCOUNTD_BASE_MAP_H
#define VISITCOUNTD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The link and key of a member. */
struct map_node {
    struct map_node *next;
    uint64_t hash;
    const char *key; /* any bytes, also NUL; not NUL-terminated */
    size_t key_length;
};

struct map {
    struct map_node **buckets; /* NULL until the first member */
    size_t bucket_count;       /* a power of two */
    size_t count;
};

/** Visits each member in no order; `it` is its node. The body may remove and free only `it`. */
#define map_for_each(it, map)                                                  \
    for (struct map_node *it = map_next((map), NULL),                          \
                         *it##_next = it != NULL ? map_next((map), it) : NULL; \
         it != NULL; it = it##_next, it##_next = it != NULL ? map_next((map), it) : NULL)

/** Makes `map` empty. Allocates nothing. */
void map_init(struct map *map);

/** Frees the table, but not the members. The map is then empty and usable again. */
void map_finish(struct map *map);

/** Removes all members. Keeps the table unless it is far too large for their number. */
void map_clear(struct map *map);

/** Returns the member with this key, or NULL. */
struct map_node *map_find(const struct map *map, const char *key, size_t key_length);

/** Inserts `node`, which is in no map. The map must not have the key yet. */
void map_insert(struct map *map, struct map_node *node, const char *key, size_t key_length);

/** Removes `node`, which must be in the map. */
void map_remove(struct map *map, struct map_node *node);

/** Returns the member after `node`, or the first one for NULL. Returns NULL at the end. */
struct map_node *map_next(const struct map *map, const struct map_node *node);

/** Returns the number of members. */
static inline size_t map_count(const struct map *map)
{
    return map->count;
}

/** Returns the hash of a key under the process's secret. map_init() must have been called once. */
uint64_t map_hash_key(const char *key, size_t key_length);

/** Returns SipHash-1-3 of `length` bytes under `secret`. Public only for its test vectors. */
uint64_t map_hash(const uint64_t secret[2], const void *bytes, size_t length);

#endif
