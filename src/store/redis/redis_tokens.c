/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_tokens.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/clock.h"
#include "store/redis/redis_request_inside.h"
#include "store/token_buckets.h"
#include "store/token_key.h"

#include <stdlib.h>
#include <string.h>

/*
 * Short, so that a lookup searches few stamps. Not shorter, because a batch from a proxy has stamps
 * of several milliseconds, and each further bucket costs two commands.
 */
#define STAMP_BUCKET_MS 4

/*
 * The parts of a bucket of page views, so that a lookup searches few of them. The first byte of an
 * id chooses its part. At 1,700 views per second the row of a part is full.
 */
#define VIEW_SHARDS 256

/* Redis rounds the remaining lifetime, and the next batch may be sent in the next second */
#define LIFE_ROUNDED_S 2

/* chooses the buckets of a group */
static void choose_buckets(struct redis_token_group *group, const struct store_batch *batch)
{
    if (store_window_is_hashed(group->window)) {
        group->buckets = token_buckets_of(group->window, batch->second);
    } else { /* a day in the site's time zone */
        group->buckets = (struct token_buckets){.span_s = STORE_WINDOW_DAY_S, .number = batch->day};
    }
}

static const struct store_token *token_at(const struct redis_tokens *tokens, size_t position)
{
    require(position < tokens->batch->token_count);
    return &tokens->batch->tokens[tokens->order[position]];
}

static void add_group(struct redis_tokens *tokens, const struct redis_token_group *group)
{
    size_t count = tokens->group_count;

    if ((count & (count - 1)) == 0) { /* the array is full: it grows in powers of two */
        tokens->groups = alloc_grow(tokens->groups, (count == 0 ? 1 : 2 * count) * sizeof(*group));
    }
    tokens->groups[tokens->group_count++] = *group;
}

/* appends the tokens of a window to the order */
static void add_window(struct redis_tokens *tokens, enum store_window window, size_t *position)
{
    const struct store_batch *batch = tokens->batch;
    struct redis_token_group group = {.window = window, .first = *position};

    require(window < STORE_WINDOW_COUNT);
    for (size_t i = 0; i < batch->token_count; i++) {
        if (batch->tokens[i].window == window) {
            tokens->order[(*position)++] = (uint32_t)i;
        }
    }
    group.count = *position - group.first;
    if (group.count != 0) {
        choose_buckets(&group, batch);
        add_group(tokens, &group);
    }
}

/* whether tokens of a window are ids of 8 bytes that Redis keeps in rows */
static bool is_packed(enum store_window window)
{
    return window == STORE_WINDOW_STAMPED || window == STORE_WINDOW_VIEW;
}

/* returns the id that Redis keeps for a stamp or for a page view */
static uint64_t packed_id(const struct redis_tokens *tokens, const struct store_token *token)
{
    uint64_t page = tokens->pages[token->entry];

    return token->window == STORE_WINDOW_STAMPED ? token_key_stamp_id(token->bytes, page)
                                                 : token_key_view_id(token->bytes, page);
}

/* returns the group of a stamp or a view, new for the first one; searches from the latest group */
static uint32_t group_of_packed(struct redis_tokens *tokens, size_t first_group,
                                const struct store_token *token)
{
    struct redis_token_group group = {.window = token->window};

    if (token->window == STORE_WINDOW_STAMPED) {
        group.buckets.number = stamp_read(token->bytes).ms / STAMP_BUCKET_MS;
    } else {
        group.buckets = token_buckets_of_views(tokens->batch->second);
        group.shard = packed_id(tokens, token) >> 56;
    }
    for (size_t i = tokens->group_count; i-- != first_group;) {
        const struct redis_token_group *other = &tokens->groups[i];

        if (other->buckets.number == group.buckets.number && other->shard == group.shard &&
            other->window == group.window) {
            return (uint32_t)i;
        }
    }
    add_group(tokens, &group);
    return (uint32_t)tokens->group_count - 1;
}

/* appends stamps and page views by group: counts the groups first, then places each token */
static void add_packed(struct redis_tokens *tokens, size_t position)
{
    const struct store_batch *batch = tokens->batch;
    size_t first_group = tokens->group_count;
    uint32_t *group_of = alloc_zero(batch->token_count, sizeof(*group_of));

    for (size_t i = 0; i < batch->token_count; i++) {
        if (is_packed(batch->tokens[i].window)) {
            group_of[i] = group_of_packed(tokens, first_group, &batch->tokens[i]);
            tokens->groups[group_of[i]].count++;
        }
    }
    for (size_t i = first_group; i < tokens->group_count; i++) {
        tokens->groups[i].first = position;
        position += tokens->groups[i].count;
        tokens->groups[i].count = 0;
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        if (is_packed(batch->tokens[i].window)) {
            struct redis_token_group *group = &tokens->groups[group_of[i]];

            tokens->order[group->first + group->count++] = (uint32_t)i;
        }
    }
    free(group_of);
}

/* hashes each page once, because an entry may have many tokens */
static void hash_pages(struct redis_tokens *tokens)
{
    const struct store_batch *batch = tokens->batch;

    for (size_t i = 0; i < batch->entry_count; i++) {
        tokens->pages[i] = token_key_page(batch->entries[i].page, batch->entries[i].page_length);
    }
}

void redis_tokens_init(struct redis_tokens *tokens, const struct store_batch *batch,
                       bool finds_long)
{
    size_t position = 0;

    require(batch->token_count == 0 || batch->tokens != NULL);
    *tokens =
        (struct redis_tokens){.batch = batch, .finds_long = finds_long || batch->finds_old_tokens};
    if (batch->token_count == 0) {
        return;
    }
    tokens->pages = alloc_bytes(batch->entry_count * sizeof(*tokens->pages) +
                                batch->token_count * sizeof(*tokens->order));
    tokens->order = (uint32_t *)(tokens->pages + batch->entry_count);
    hash_pages(tokens);
    add_window(tokens, STORE_WINDOW_ATTEMPT, &position);
    add_window(tokens, STORE_WINDOW_CLIENT, &position);
    add_window(tokens, STORE_WINDOW_DAY, &position);
    add_packed(tokens, position);
}

void redis_tokens_finish(struct redis_tokens *tokens)
{
    free(tokens->pages);
    free(tokens->groups);
}

static size_t count_of(const struct token_buckets *buckets)
{
    return 1 + buckets->before + buckets->after;
}

/* number of keys that may contain the tokens; a row has a string and a set */
static size_t bucket_count(const struct redis_token_group *group)
{
    size_t count = count_of(&group->buckets);

    return is_packed(group->window) ? 2 * count : count;
}

/* whether to look the tokens of a group up in the buckets of version 0.2 as well */
static bool finds_long(const struct redis_tokens *tokens, const struct redis_token_group *group)
{
    return tokens->finds_long && store_window_is_hashed(group->window);
}

/* number of the buckets of version 0.2 that may contain the tokens */
static size_t old_bucket_count(const struct redis_tokens *tokens,
                               const struct redis_token_group *group)
{
    struct token_buckets old;

    if (!finds_long(tokens, group)) {
        return 0;
    }
    old = token_buckets_old(group->window, tokens->batch->second);
    return count_of(&old);
}

size_t redis_tokens_key_count(const struct redis_tokens *tokens)
{
    size_t count = 0;

    for (size_t i = 0; i < tokens->group_count; i++) {
        count += bucket_count(&tokens->groups[i]) + old_bucket_count(tokens, &tokens->groups[i]);
    }
    return count;
}

/* adds the key "vc:{site}:", a kind and the number of a bucket */
static void add_key(struct redis_command *command, const char *site, const char *kind,
                    uint64_t bucket)
{
    char name[REDIS_KEY_MAX];
    char *end = stpcpy(name, kind);

    require(kind[0] != '\0');
    end[buf_format_u64(bucket, end)] = '\0';
    redis_request_add_key(command, site, name);
}

/* adds the keys of a row: the string, and the set of the ids that arrived when it was full */
static void add_row_keys(struct redis_command *command, const char *site,
                         const struct redis_token_group *group)
{
    const struct token_buckets *buckets = &group->buckets;
    uint64_t first = buckets->number * VIEW_SHARDS + group->shard;

    if (group->window == STORE_WINDOW_STAMPED) {
        add_key(command, site, "stamps:", buckets->number);
        add_key(command, site, "stamps:more:", buckets->number);
        return;
    }
    add_key(command, site, "views:", first);
    add_key(command, site, "views:more:", first);
    if (buckets->before != 0) {
        add_key(command, site, "views:", first - VIEW_SHARDS);
        add_key(command, site, "views:more:", first - VIEW_SHARDS);
    }
    if (buckets->after != 0) {
        add_key(command, site, "views:", first + VIEW_SHARDS);
        add_key(command, site, "views:more:", first + VIEW_SHARDS);
    }
}

/* adds the keys of sets: first that of the batch's time */
static void add_set_keys(struct redis_command *command, const char *site, const char *kind,
                         const struct token_buckets *buckets)
{
    add_key(command, site, kind, buckets->number);
    for (uint64_t i = 1; i <= buckets->before; i++) {
        add_key(command, site, kind, buckets->number - i);
    }
    for (uint64_t i = 1; i <= buckets->after; i++) {
        add_key(command, site, kind, buckets->number + i);
    }
}

static void add_old_keys(const struct redis_tokens *tokens, struct redis_command *command,
                         const struct redis_token_group *group)
{
    struct token_buckets old = token_buckets_old(group->window, tokens->batch->second);

    add_set_keys(command, tokens->batch->site,
                 group->window == STORE_WINDOW_CLIENT ? REDIS_OLD_CLIENT_TOKENS : "seen:60:", &old);
}

void redis_tokens_add_keys(const struct redis_tokens *tokens, struct redis_command *command)
{
    static const char *const kinds[STORE_WINDOW_COUNT] = {
        [STORE_WINDOW_ATTEMPT] = "seen:attempt:",
        [STORE_WINDOW_CLIENT] = REDIS_CLIENT_TOKENS,
        [STORE_WINDOW_DAY] = "seen:day:",
    };
    const char *site = tokens->batch->site;

    for (size_t i = 0; i < tokens->group_count; i++) {
        const struct redis_token_group *group = &tokens->groups[i];

        if (is_packed(group->window)) {
            add_row_keys(command, site, group);
            continue;
        }
        add_set_keys(command, site, kinds[group->window], &group->buckets);
        if (finds_long(tokens, group)) {
            add_old_keys(tokens, command, group);
        }
    }
}

/* returns the page's part of a token's key; 0 if the key has none */
static uint64_t page_of(const struct redis_tokens *tokens, const struct store_token *token)
{
    require(token->entry < tokens->batch->entry_count);
    return token_key_has_page(token->window) ? tokens->pages[token->entry] : 0;
}

static bool is_same(const struct redis_tokens *tokens, const struct store_token *one,
                    const struct store_token *other)
{
    return one->length == other->length && memcmp(one->bytes, other->bytes, one->length) == 0 &&
           page_of(tokens, one) == page_of(tokens, other);
}

/*
 * Hashes a token for are_distinct(). Ids of stamps may be consecutive, so they are multiplied: the
 * high bits of the product depend on all bits (Knuth, The Art of Computer Programming, volume 3,
 * 6.4). Clients choose other tokens, so these need a hash with a secret.
 */
static uint64_t hash_of(const struct redis_tokens *tokens, const struct store_token *token)
{
    uint64_t page = page_of(tokens, token);

    return token->window == STORE_WINDOW_STAMPED
               ? token_key_stamp_id(token->bytes, page) * UINT64_C(0x9e3779b97f4a7c15)
               : map_hash_key(token->bytes, token->length) ^ page;
}

/* whether all tokens of a group differ; uses a hash table with linear probing */
static bool are_distinct(const struct redis_tokens *tokens, const struct redis_token_group *group)
{
    uint32_t *slots; /* index in the group, from 1; 0: free */
    unsigned slot_bits = 4;
    size_t slot_count;
    bool are_distinct = true;

    while ((size_t)1 << slot_bits < 2 * group->count) {
        slot_bits++;
    }
    slot_count = (size_t)1 << slot_bits;
    slots = alloc_zero(slot_count, sizeof(*slots));
    for (size_t i = 0; i < group->count && are_distinct; i++) {
        const struct store_token *token = token_at(tokens, group->first + i);
        size_t slot = hash_of(tokens, token) >> (64 - slot_bits);

        while (slots[slot] != 0 &&
               !is_same(tokens, token_at(tokens, group->first + slots[slot] - 1), token)) {
            slot = (slot + 1) & (slot_count - 1);
        }
        are_distinct = slots[slot] == 0;
        slots[slot] = (uint32_t)i + 1;
    }
    free(slots);
    return are_distinct;
}

/*
 * Puts the least remaining lifetime of the group's bucket and the one to set if less remains. That
 * of a bucket of clients is exact, so that no token is kept longer than promised.
 */
static void put_lifetimes(const struct redis_tokens *tokens, const struct redis_token_group *group,
                          struct redis_store *store)
{
    uint64_t least_s = store_token_ttl_s(group->window, store->keep_tokens_s);
    uint64_t full_s = least_s + group->buckets.span_s;

    if (group->window == STORE_WINDOW_CLIENT) {
        full_s = token_buckets_client_life_s(tokens->batch->second, clock_wall_ms() / 1000,
                                             store->store.client_window_s, store->keep_tokens_s);
        least_s = full_s - LIFE_ROUNDED_S;
    }
    redis_store_list_put(store, least_s);
    redis_store_list_put(store, full_s);
}

static void put_group(const struct redis_tokens *tokens, const struct redis_token_group *group,
                      struct redis_store *store)
{
    bool finds_oldest = finds_long(tokens, group) && tokens->batch->finds_old_tokens;

    redis_store_list_put(store, group->count);
    redis_store_list_put(store, bucket_count(group));
    redis_store_list_put(store, (are_distinct(tokens, group) ? 1 : 0) + (finds_oldest ? 2 : 0));
    put_lifetimes(tokens, group, store);
    redis_store_list_put(store, old_bucket_count(tokens, group));
}

/* puts the lifetimes of the rows of page views */
static void put_view_lifetimes(struct redis_store *store)
{
    uint64_t view_s = store_token_ttl_s(STORE_WINDOW_VIEW, store->keep_tokens_s);

    buf_putc(&store->list, ' ');
    redis_store_list_put(store, view_s);
    redis_store_list_put(store, view_s + TOKEN_BUCKET_VIEW_S);
}

void redis_tokens_add_groups(const struct redis_tokens *tokens, struct redis_store *store)
{
    bool has_views = false;

    redis_store_list_begin(store);
    for (size_t i = 0; i < tokens->group_count; i++) {
        if (!is_packed(tokens->groups[i].window)) {
            put_group(tokens, &tokens->groups[i], store);
        }
    }
    redis_store_list_add(store);
    redis_store_list_begin(store);
    for (size_t i = 0; i < tokens->group_count; i++) {
        const struct redis_token_group *group = &tokens->groups[i];

        if (is_packed(group->window)) {
            size_t rows = group->window == STORE_WINDOW_VIEW ? count_of(&group->buckets) : 0;

            if (store->list.length == 0) {
                redis_store_list_put(store,
                                     store_token_ttl_s(STORE_WINDOW_STAMPED, store->keep_tokens_s));
            }
            has_views = has_views || rows != 0;
            buf_putc(&store->list, (char)('0' + 2 * rows + (are_distinct(tokens, group) ? 1 : 0)));
        }
    }
    if (tokens->batch->finds_old_tokens && store->list.length != 0) {
        buf_putc(&store->list, '+');
    }
    if (has_views) {
        put_view_lifetimes(store);
    }
    redis_store_list_add(store);
}

/* adds the concatenated ids of a group of stamps or page views as one argument */
static void add_packed_ids(const struct redis_tokens *tokens, const struct redis_token_group *group,
                           struct redis_store *store)
{
    redis_store_list_begin(store);
    for (size_t i = 0; i < group->count; i++) {
        uint64_t id = htobe64(packed_id(tokens, token_at(tokens, group->first + i)));

        buf_append(&store->list, &id, sizeof(id));
    }
    redis_store_list_add(store);
}

/* adds the original ids, which the script cannot derive from the ids with pages */
static void add_old_stamp_ids(const struct redis_tokens *tokens,
                              const struct redis_token_group *group, struct redis_store *store)
{
    redis_store_list_begin(store);
    for (size_t i = 0; i < group->count; i++) {
        buf_append(&store->list, token_at(tokens, group->first + i)->bytes + STAMP_ID_AT,
                   STAMP_ID_LENGTH);
    }
    redis_store_list_add(store);
}

static void add_token(const struct redis_tokens *tokens, const struct store_token *token,
                      struct redis_command *command)
{
    struct token_key key;

    token_key_write(token, tokens->pages[token->entry], &key);
    redis_command_add(command, key.bytes, key.length);
}

/* adds the long forms of a group as one argument; a byte with its length precedes each */
static void add_long_forms(const struct redis_tokens *tokens, const struct redis_token_group *group,
                           struct redis_store *store)
{
    redis_store_list_begin(store);
    for (size_t i = 0; i < group->count; i++) {
        const struct store_token *token = token_at(tokens, group->first + i);
        struct token_key form;

        token_key_write_long(token, tokens->pages[token->entry], &form);
        buf_putc(&store->list, (char)form.length);
        buf_append(&store->list, form.bytes, form.length);
    }
    redis_store_list_add(store);
}

void redis_tokens_add(const struct redis_tokens *tokens, struct redis_store *store)
{
    const struct store_batch *batch = tokens->batch;

    if (batch->token_count == 0) {
        return;
    }
    redis_store_list_begin(store);
    for (size_t i = 0; i < batch->token_count; i++) {
        redis_store_list_put(store, token_at(tokens, i)->entry + 2);
    }
    redis_store_list_add(store);
    for (size_t i = 0; i < tokens->group_count; i++) {
        const struct redis_token_group *group = &tokens->groups[i];

        if (is_packed(group->window)) {
            add_packed_ids(tokens, group, store);
            if (batch->finds_old_tokens && group->window == STORE_WINDOW_STAMPED) {
                add_old_stamp_ids(tokens, group, store);
            } else if (batch->finds_old_tokens) {
                add_packed_ids(tokens, group, store); /* no older version knows page views */
            }
            continue;
        }
        for (size_t j = 0; j < group->count; j++) {
            add_token(tokens, token_at(tokens, group->first + j), &store->command);
        }
        if (finds_long(tokens, group)) {
            add_long_forms(tokens, group, store);
        }
    }
}
