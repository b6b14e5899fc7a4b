/* SPDX-License-Identifier: MIT */
#include "store/redis_tokens.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A bucket of attempts is some windows long: so for half of the time the one before it is out of
 * reach, which saves a look-up of each token, and tokens are kept for a minute longer.
 */
#define ATTEMPT_BUCKET_S ((uint64_t)4 * STORE_WINDOW_ATTEMPT_S)

/*
 * What is looked for may be a window older than the batch, and clocks of instances may differ by as
 * much: so two windows back and one ahead, but never beyond the neighbours.
 */
static void choose_buckets(struct redis_token_group *group, const struct store_batch *batch)
{
    uint64_t window_s = store_window_s(group->window);
    uint64_t into_s;

    group->bucket_s = group->window == STORE_WINDOW_ATTEMPT ? ATTEMPT_BUCKET_S : window_s;
    if (group->window == STORE_WINDOW_DAY) { /* a day of the site */
        group->bucket = batch->day;
        return;
    }
    into_s = batch->second % group->bucket_s;
    group->bucket = batch->second / group->bucket_s;
    group->reaches_before = into_s < 2 * window_s;
    group->reaches_after = group->bucket_s - into_s <= window_s;
}

static void add_group(struct redis_tokens *tokens, enum store_window window, size_t *position)
{
    const struct store_batch *batch = tokens->batch;
    struct redis_token_group *group = &tokens->groups[tokens->group_count];

    *group = (struct redis_token_group){.window = window, .first = *position};
    for (size_t i = 0; i < batch->token_count; i++) {
        if (batch->tokens[i].window == window) {
            tokens->order[(*position)++] = i;
        }
    }
    group->count = *position - group->first;
    if (group->count != 0) {
        choose_buckets(group, batch);
        tokens->group_count++;
    }
}

void redis_tokens_init(struct redis_tokens *tokens, const struct store_batch *batch)
{
    size_t position = 0;

    *tokens = (struct redis_tokens){.batch = batch};
    if (batch->token_count == 0) {
        return;
    }
    tokens->order = calloc(batch->token_count, sizeof(*tokens->order));
    if (tokens->order == NULL) {
        abort();
    }
    add_group(tokens, STORE_WINDOW_ATTEMPT, &position);
    add_group(tokens, STORE_WINDOW_CLIENT, &position);
    add_group(tokens, STORE_WINDOW_DAY, &position);
}

void redis_tokens_finish(struct redis_tokens *tokens)
{
    free(tokens->order);
}

static size_t bucket_count(const struct redis_token_group *group)
{
    return 1 + (group->reaches_before ? 1 : 0) + (group->reaches_after ? 1 : 0);
}

size_t redis_tokens_key_count(const struct redis_tokens *tokens)
{
    size_t count = 0;

    for (size_t i = 0; i < tokens->group_count; i++) {
        count += bucket_count(&tokens->groups[i]);
    }
    return count;
}

static void add_key(struct redis_command *command, const char *site,
                    const struct redis_token_group *group, uint64_t bucket)
{
    char kind[sizeof("seen::") + 2 * U64_DIGITS_MAX];
    char *end = stpcpy(kind, "seen:");

    if (group->window == STORE_WINDOW_DAY) {
        end = stpcpy(end, "day");
    } else {
        end += format_u64(group->bucket_s, end);
    }
    *end++ = ':';
    end[format_u64(bucket, end)] = '\0';
    redis_add_key(command, site, kind);
}

void redis_tokens_add_keys(const struct redis_tokens *tokens, struct redis_command *command)
{
    const char *site = tokens->batch->site;

    for (size_t i = 0; i < tokens->group_count; i++) {
        const struct redis_token_group *group = &tokens->groups[i];

        add_key(command, site, group, group->bucket);
        if (group->reaches_before) {
            add_key(command, site, group, group->bucket - 1);
        }
        if (group->reaches_after) {
            add_key(command, site, group, group->bucket + 1);
        }
    }
}

static bool is_same(const struct store_token *one, const struct store_token *other)
{
    return one->length == other->length && memcmp(one->bytes, other->bytes, one->length) == 0;
}

/* whether no token of a group is in it twice; by a hash table with linear probing */
static bool are_distinct(const struct redis_tokens *tokens, const struct redis_token_group *group)
{
    const struct store_token **slots;
    size_t slot_count = 16;
    bool are_distinct = true;

    while (slot_count < 2 * group->count) {
        slot_count *= 2;
    }
    slots = calloc(slot_count, sizeof(const struct store_token *));
    if (slots == NULL) {
        abort();
    }
    for (size_t i = group->first; i < group->first + group->count && are_distinct; i++) {
        const struct store_token *token = &tokens->batch->tokens[tokens->order[i]];
        size_t slot = map_hash_key(token->bytes, token->length) & (slot_count - 1);

        while (slots[slot] != NULL && !is_same(slots[slot], token)) {
            slot = (slot + 1) & (slot_count - 1);
        }
        are_distinct = slots[slot] == NULL;
        slots[slot] = token;
    }
    free(slots);
    return are_distinct;
}

void redis_tokens_add_groups(const struct redis_tokens *tokens, struct redis_store *store)
{
    redis_list_begin(store);
    for (size_t i = 0; i < tokens->group_count; i++) {
        const struct redis_token_group *group = &tokens->groups[i];
        uint64_t least_s = store_token_ttl_s(group->window, store->keep_tokens_s);

        redis_list_put(store, group->count);
        redis_list_put(store, bucket_count(group));
        redis_list_put(store, are_distinct(tokens, group) ? 1 : 0);
        redis_list_put(store, least_s);
        redis_list_put(store, least_s + group->bucket_s);
    }
    redis_list_add(store);
}

void redis_tokens_add(const struct redis_tokens *tokens, struct redis_store *store)
{
    const struct store_batch *batch = tokens->batch;

    if (batch->token_count == 0) {
        return;
    }
    redis_list_begin(store);
    for (size_t i = 0; i < batch->token_count; i++) {
        redis_list_put(store, batch->tokens[tokens->order[i]].entry + 2);
    }
    redis_list_add(store);
    for (size_t i = 0; i < batch->token_count; i++) {
        const struct store_token *token = &batch->tokens[tokens->order[i]];

        redis_command_add(&store->command, token->bytes, token->length);
    }
}
