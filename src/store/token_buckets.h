/* SPDX-License-Identifier: MIT */
/**
 * token_buckets: the time spans in which Redis keeps tokens together. A bucket is the set of the
 * tokens of one site, window and span. It expires as a whole, so a token is kept for at most its
 * window and one span, and for `journal.keep_tokens` more. Pure logic.
 *
 * A token goes into the bucket of its batch's time. It is looked up there and in the buckets that
 * its window reaches. The clocks of instances may differ, so a lookup reaches further back than the
 * window, and also ahead.
 */
#ifndef VISITCOUNTD_STORE_TOKEN_BUCKETS_H
#define VISITCOUNTD_STORE_TOKEN_BUCKETS_H

#include "base/require.h"
#include "store/store.h"

#include <stdint.h>

/** The span of a client's bucket. Short, because memory is freed by whole buckets. */
#define TOKEN_BUCKET_CLIENT_S 1800

/**
 * The span of a bucket of attempts: four windows. So for half of the time the window does not reach
 * the previous bucket. That saves a lookup per token, and keeps tokens a minute longer.
 */
#define TOKEN_BUCKET_ATTEMPT_S (4 * STORE_WINDOW_ATTEMPT_S)

/**
 * The span of a bucket of page views. It is longer than a lookup reaches back, so there are at most
 * two buckets to search, and a third one shortly before the end.
 */
#define TOKEN_BUCKET_VIEW_S 150

/** By how much the clocks of instances may differ, for page views. */
#define TOKEN_BUCKET_VIEW_SKEW_S 15

/** By how much the clock of an instance may be ahead of that of the one before. */
#define TOKEN_BUCKET_SKEW_S 900

/** A bucket lives at least as long, also if its tokens come far too late. */
#define TOKEN_BUCKET_LIFE_MIN_S 60

/** Buckets of one span: one of them, and how many before and after it may have its tokens too. */
struct token_buckets {
    uint64_t span_s;
    uint64_t number; /* of spans since 1970 */
    uint64_t before;
    uint64_t after;
};

/**
 * Returns the buckets of `span_s` seconds for a batch created at `second`. A lookup reaches
 * `before_s` back and `after_s` ahead.
 */
static inline struct token_buckets token_buckets_around(uint64_t second, uint64_t span_s,
                                                        uint64_t before_s, uint64_t after_s)
{
    uint64_t into_s = second % span_s;
    uint64_t left_s = span_s - into_s;

    return (struct token_buckets){
        .span_s = span_s,
        .number = second / span_s,
        .before = before_s > into_s ? (before_s - into_s + span_s - 1) / span_s : 0,
        .after = after_s >= left_s ? 1 + (after_s - left_s) / span_s : 0,
    };
}

/** Returns the buckets of a window, of attempts or of clients. */
static inline struct token_buckets token_buckets_of(enum store_window window, uint64_t second)
{
    require(store_window_is_hashed(window));
    return window == STORE_WINDOW_ATTEMPT
               ? token_buckets_around(second, TOKEN_BUCKET_ATTEMPT_S, 2 * STORE_WINDOW_ATTEMPT_S,
                                      STORE_WINDOW_ATTEMPT_S)
               : token_buckets_around(second, TOKEN_BUCKET_CLIENT_S,
                                      STORE_WINDOW_CLIENT_S + TOKEN_BUCKET_SKEW_S,
                                      STORE_WINDOW_CLIENT_S);
}

/** Returns the buckets of page views. */
static inline struct token_buckets token_buckets_of_views(uint64_t second)
{
    return token_buckets_around(second, TOKEN_BUCKET_VIEW_S,
                                STORE_WINDOW_VIEW_S + TOKEN_BUCKET_VIEW_SKEW_S,
                                TOKEN_BUCKET_VIEW_SKEW_S);
}

/** Returns the buckets that version 0.2 and those before it wrote. */
static inline struct token_buckets token_buckets_old(enum store_window window, uint64_t second)
{
    require(store_window_is_hashed(window));
    return window == STORE_WINDOW_ATTEMPT
               ? token_buckets_of(window, second)
               : token_buckets_around(second, STORE_WINDOW_CLIENT_S, STORE_WINDOW_CLIENT_S,
                                      STORE_WINDOW_CLIENT_S);
}

/**
 * Returns how many seconds a bucket of clients lives from `now_s` on: until `window_s` after its
 * end, and for `keep_s` more. `second` is the time of the batch. The bucket of a batch that waited
 * in a journal may have ended long ago; it lives for `keep_s`, since another journal may have the
 * same tokens.
 */
static inline uint64_t token_buckets_client_life_s(uint64_t second, uint64_t now_s,
                                                   uint64_t window_s, uint64_t keep_s)
{
    uint64_t left_s = TOKEN_BUCKET_CLIENT_S - second % TOKEN_BUCKET_CLIENT_S + window_s;
    uint64_t age_s = now_s > second ? now_s - second : 0;
    uint64_t life_s = keep_s + (left_s > age_s ? left_s - age_s : 0);

    return life_s > TOKEN_BUCKET_LIFE_MIN_S ? life_s : TOKEN_BUCKET_LIFE_MIN_S;
}

#endif
