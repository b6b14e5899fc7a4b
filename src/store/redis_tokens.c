/* SPDX-License-Identifier: MIT */
#include "store/redis_tokens.h"

#include "base/map.h"
#include "store/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A bucket of attempts is some windows long: so for half of the time the one before it is out of
 * reach, which saves a look-up of each token, and tokens are kept for a minute longer.
 */
#define ATTEMPT_BUCKET_MS ((uint64_t)4000 * STORE_WINDOW_ATTEMPT_S)

/*
 * A bucket of stamps is so short that Redis keeps it as sorted integers of 8 bytes: up to 512 of
 * them (set-max-intset-entries), which are 128,000 visits of a site in a second. More make a hash
 * table of it, as all others are. Measured with 1,000,000 visits: a stamp costs Redis 0.8 us where
 * a token among all of a minute cost 1.65, and 9 bytes where that takes 66 (test_store_scale).
 */
#define STAMP_BUCKET_MS 4

/*
 * What is looked for may be a window older than the batch, and clocks of instances may differ by as
 * much: so two windows back and one ahead, but never beyond the neighbours.
 */
static void choose_buckets(struct redis_token_group *group, const struct store_batch *batch)
{
    uint64_t window_ms = 1000 * store_window_s(group->window);
    uint64_t now_ms = 1000 * batch->second;
    uint64_t into_ms;

    group->bucket_ms = group->window == STORE_WINDOW_ATTEMPT ? ATTEMPT_BUCKET_MS : window_ms;
    if (group->window == STORE_WINDOW_DAY) { /* a day of the site */
        group->bucket = batch->day;
        return;
    }
    into_ms = now_ms % group->bucket_ms;
    group->bucket = now_ms / group->bucket_ms;
    group->reaches_before = into_ms < 2 * window_ms;
    group->reaches_after = group->bucket_ms - into_ms <= window_ms;
}

static const struct store_token *token_at(const struct redis_tokens *tokens, size_t position)
{
    return &tokens->batch->tokens[tokens->order[position]];
}

static void add_group(struct redis_tokens *tokens, const struct redis_token_group *group)
{
    size_t count = tokens->group_count;

    if ((count & (count - 1)) == 0) { /* 0, or a power of two: it is full */
        tokens->groups = realloc(tokens->groups, (count == 0 ? 1 : 2 * count) * sizeof(*group));
        if (tokens->groups == NULL) {
            abort();
        }
    }
    tokens->groups[tokens->group_count++] = *group;
}

/* the tokens of a window are next in the order */
static void add_window(struct redis_tokens *tokens, enum store_window window, size_t *position)
{
    const struct store_batch *batch = tokens->batch;
    struct redis_token_group group = {.window = window, .first = *position};

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

/* the group of a stamp, made when it is the first of its bucket; most are of the latest one */
static struct redis_token_group *group_of_stamp(struct redis_tokens *tokens, size_t first_group,
                                                const struct store_token *token)
{
    uint64_t bucket = stamp_read(token->bytes).ms / STAMP_BUCKET_MS;

    for (size_t i = tokens->group_count; i-- != first_group;) {
        if (tokens->groups[i].bucket == bucket) {
            return &tokens->groups[i];
        }
    }
    add_group(tokens, &(struct redis_token_group){.window = STORE_WINDOW_STAMPED,
                                                  .bucket_ms = STAMP_BUCKET_MS,
                                                  .bucket = bucket});
    return &tokens->groups[tokens->group_count - 1];
}

/* counted first, and put in their places then */
static void add_stamps(struct redis_tokens *tokens, size_t position)
{
    const struct store_batch *batch = tokens->batch;
    size_t first_group = tokens->group_count;

    for (size_t i = 0; i < batch->token_count; i++) {
        if (batch->tokens[i].window == STORE_WINDOW_STAMPED) {
            group_of_stamp(tokens, first_group, &batch->tokens[i])->count++;
        }
    }
    for (size_t i = first_group; i < tokens->group_count; i++) {
        tokens->groups[i].first = position;
        position += tokens->groups[i].count;
        tokens->groups[i].count = 0;
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        if (batch->tokens[i].window == STORE_WINDOW_STAMPED) {
            struct redis_token_group *group =
                group_of_stamp(tokens, first_group, &batch->tokens[i]);

            tokens->order[group->first + group->count++] = (uint32_t)i;
        }
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
    add_window(tokens, STORE_WINDOW_ATTEMPT, &position);
    add_window(tokens, STORE_WINDOW_CLIENT, &position);
    add_window(tokens, STORE_WINDOW_DAY, &position);
    add_stamps(tokens, position);
}

void redis_tokens_finish(struct redis_tokens *tokens)
{
    free(tokens->order);
    free(tokens->groups);
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
    } else if (group->window == STORE_WINDOW_STAMPED) {
        end = stpcpy(end, "stamped");
    } else {
        end += format_u64(group->bucket_ms / 1000, end);
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

/* the id of a stamp is as random as a hash of it; what clients choose needs a hash with a secret */
static uint64_t hash_of(const struct store_token *token)
{
    return token->window == STORE_WINDOW_STAMPED ? stamp_read(token->bytes).id
                                                 : map_hash_key(token->bytes, token->length);
}

/* whether no token of a group is in it twice; by a hash table with linear probing */
static bool are_distinct(const struct redis_tokens *tokens, const struct redis_token_group *group)
{
    uint32_t *slots; /* positions in the group, from 1 */
    size_t slot_count = 16;
    bool are_distinct = true;

    while (slot_count < 2 * group->count) {
        slot_count *= 2;
    }
    slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) {
        abort();
    }
    for (size_t i = 0; i < group->count && are_distinct; i++) {
        const struct store_token *token = token_at(tokens, group->first + i);
        size_t slot = hash_of(token) & (slot_count - 1);

        while (slots[slot] != 0 &&
               !is_same(token_at(tokens, group->first + slots[slot] - 1), token)) {
            slot = (slot + 1) & (slot_count - 1);
        }
        are_distinct = slots[slot] == 0;
        slots[slot] = (uint32_t)i + 1;
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
        redis_list_put(store, least_s + (group->bucket_ms + 999) / 1000);
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
        const struct store_token *token = token_at(tokens, i);

        if (token->window == STORE_WINDOW_STAMPED) {
            redis_command_add_i64(&store->command, (int64_t)stamp_read(token->bytes).id);
        } else {
            redis_command_add(&store->command, token->bytes, token->length);
        }
    }
}
