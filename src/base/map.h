/* SPDX-License-Identifier: MIT */
/**
 * map: an intrusive hash map from byte strings to members.
 *
 * A member embeds a `struct map_node` and belongs, with the bytes of its key, to its owner, who
 * keeps both unchanged while the member is in the map. The map owns only its table. Its hash has a
 * secret of the process, so that a client who chooses the keys cannot make them collide.
 */
#ifndef VISITCOUNTD_BASE_MAP_H
#define VISITCOUNTD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The part of a member by which it is found. */
struct map_node {
    struct map_node *next;
    uint64_t hash;
    const char *key; /* need not end with NUL, may contain it */
    size_t key_length;
};

struct map {
    struct map_node **buckets; /* a power of two of them; NULL until the first member */
    size_t bucket_count;
    size_t count;
};

/** Visits each member's node in `it`, in no order; `it` may be removed and freed, others not. */
#define map_for_each(it, map)                                                  \
    for (struct map_node *it = map_next((map), NULL),                          \
                         *it##_next = it != NULL ? map_next((map), it) : NULL; \
         it != NULL; it = it##_next, it##_next = it != NULL ? map_next((map), it) : NULL)

/** Makes `map` empty without memory of its own. */
void map_init(struct map *map);

/** Frees the table and forgets the members, which are their owner's; the map is usable again. */
void map_finish(struct map *map);

/** Forgets the members and keeps the table unless it is far too large for what was in it. */
void map_clear(struct map *map);

/** The member with this key, or NULL. */
struct map_node *map_find(const struct map *map, const char *key, size_t key_length);

/** Puts `node`, which is in no map, under a key that is not in the map. */
void map_insert(struct map *map, struct map_node *node, const char *key, size_t key_length);

/** Takes out `node`, which is in the map. */
void map_remove(struct map *map, struct map_node *node);

/** The member after `node`, or the first one after NULL; NULL at the end. */
struct map_node *map_next(const struct map *map, const struct map_node *node);

/** How many members there are. */
static inline size_t map_count(const struct map *map)
{
    return map->count;
}

/** The hash that the node of a key has; some map was made before. */
uint64_t map_hash_key(const char *key, size_t key_length);

/** SipHash-1-3 of `length` bytes under `secret`; public for its test vectors. */
uint64_t map_hash(const uint64_t secret[2], const void *bytes, size_t length);

#endif
