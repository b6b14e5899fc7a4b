/* SPDX-License-Identifier: MIT */
/**
 * redis_tokens: writes a batch's tokens as arguments of apply.lua. Only redis_store_apply.c uses
 * it.
 *
 * Redis keeps tokens in buckets; see token_buckets.h. A stamp is looked up only in the bucket of
 * its own time. So buckets of stamps can be short: the stamps of a batch need only one or two. Such
 * a bucket is a string of concatenated ids.
 */
#ifndef VISITCOUNTD_STORE_REDIS_TOKENS_H
#define VISITCOUNTD_STORE_REDIS_TOKENS_H

#include "store/store.h"
#include "store/token_buckets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_command;
struct redis_store;

/** The tokens of a batch that share a window, and the buckets that may contain them. */
struct redis_token_group {
    enum store_window window;
    size_t first; /* index of the first one in `order` */
    size_t count;
    struct token_buckets buckets; /* of stamps: only the number */
    uint64_t shard;               /* of page views: the part of the bucket; else 0 */
};

/**
 * The tokens of a batch in the order of sending: by group, and within a group in the order of the
 * batch.
 */
struct redis_tokens {
    const struct store_batch *batch;
    bool finds_long; /* also in the buckets and in the form of version 0.2 */
    uint64_t *pages; /* token_key_page() of each entry; NULL if there are no tokens */
    uint32_t *order; /* index of each token in the batch; in the memory of `pages` */
    struct redis_token_group *groups;
    size_t group_count;
};

/**
 * Orders the tokens of `batch`. `finds_long`: version 0.2 may have counted requests with these
 * tokens. Finish it with redis_tokens_finish().
 */
void redis_tokens_init(struct redis_tokens *tokens, const struct store_batch *batch,
                       bool finds_long);

void redis_tokens_finish(struct redis_tokens *tokens);

/** Returns how many keys redis_tokens_add_keys() adds. */
size_t redis_tokens_key_count(const struct redis_tokens *tokens);

/** Adds the keys of the buckets to the command. */
void redis_tokens_add_keys(const struct redis_tokens *tokens, struct redis_command *command);

/**
 * Adds two arguments: the groups of tokens and the groups of stamps; each is empty if there are
 * none.
 */
void redis_tokens_add_groups(const struct redis_tokens *tokens, struct redis_store *store);

/**
 * Adds the page numbers of the tokens, then the tokens as they are stored; see token_key.h. Page
 * numbers start at 2, because 1 is the site. Adds nothing if there are no tokens.
 */
void redis_tokens_add(const struct redis_tokens *tokens, struct redis_store *store);

#endif
