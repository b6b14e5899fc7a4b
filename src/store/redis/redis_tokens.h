/* SPDX-License-Identifier: MIT */
/**
 * redis_tokens: a batch's tokens as arguments of apply.lua. Used by redis_apply.c alone.
 *
 * Tokens are kept in buckets: sets of one site, window and stretch of time, which expire as a
 * whole. A window's stretch is as long as it likes; a token is looked up in the bucket of its
 * batch's time, and in its neighbours where the window reaches so far. A stamp is looked up in the
 * bucket of its own time alone, which is why those can be short, and are rows of ids: a batch has
 * stamps of one or two.
 */
#ifndef VISITCOUNTD_STORE_REDIS_TOKENS_H
#define VISITCOUNTD_STORE_REDIS_TOKENS_H

#include "store/redis/redis_request.h"

#include <stddef.h>
#include <stdint.h>

/** Tokens of a batch that are in one window, and the buckets that they may be in. */
struct redis_token_group {
    enum store_window window;
    size_t first; /* position of the first one in the order */
    size_t count;
    uint64_t bucket_ms;  /* the stretch of a bucket */
    uint64_t bucket;     /* in which the tokens are put: how many stretches since 1970 */
    bool reaches_before; /* to the bucket before it */
    bool reaches_after;
};

/** The tokens of a batch as they are sent: by group; those of a group as they came. */
struct redis_tokens {
    const struct store_batch *batch;
    uint64_t *pages; /* token_key_page() of each entry; NULL where there are no tokens */
    uint32_t *order; /* index in the batch of each token; part of `pages` */
    struct redis_token_group *groups;
    size_t group_count;
};

/** Puts the tokens of `batch` in order. Ends with redis_tokens_finish(). */
void redis_tokens_init(struct redis_tokens *tokens, const struct store_batch *batch);

void redis_tokens_finish(struct redis_tokens *tokens);

/** How many keys redis_tokens_add_keys() adds. */
size_t redis_tokens_key_count(const struct redis_tokens *tokens);

/** Adds the names of the buckets to the command. */
void redis_tokens_add_keys(const struct redis_tokens *tokens, struct redis_command *command);

/** Adds two arguments: what the groups of tokens are, and those of stamps; empty for none. */
void redis_tokens_add_groups(const struct redis_tokens *tokens, struct redis_store *store);

/**
 * Adds the numbers of their pages, from 2 since 1 is the site, and the tokens in the form in which
 * they are kept, see token_key.h; nothing for none.
 */
void redis_tokens_add(const struct redis_tokens *tokens, struct redis_store *store);

#endif
