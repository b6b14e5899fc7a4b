/* SPDX-License-Identifier: MIT */
/**
 * token_key: the form in which a store keeps a token. It includes the page, because the same token
 * on another page is another visit. Stores derive it at each lookup. Batches and journals carry the
 * original tokens, so records of any version are looked up in the same form.
 *
 * A token of a client or of attempts is kept as a hash of 16 bytes, however long it is: two
 * SipHash-1-3 of page and token, under two public keys. They are the same in every process and
 * version. Two of n tokens have the same 128 bits with a probability of n^2 / 2^129; among 10^9
 * tokens that is 2 in 10^21. A client that searches for a collision gains nothing: only its own
 * visits under the two tokens are taken for repetitions.
 *
 * 64 bits stand for a page. They are XORed into the id of a stamp, so its length stays the same.
 * The token of a page view is 64 bits as well, and is treated likewise. Two views of a page within
 * their window have the same 64 bits with a probability of 2^-64. At 1,000 views of a page per
 * second, one visit in 4,800 years is lost to that.
 * Two pages of a site have the same 64 bits with a probability of 2^-64. Clients choose pages, but
 * they gain nothing from such a collision either.
 *
 * Version 0.2 kept the 64 bits of the page and then the whole token: the *long form*. This version
 * looks it up for some time after an upgrade, and never writes it.
 */
#ifndef VISITCOUNTD_STORE_TOKEN_KEY_H
#define VISITCOUNTD_STORE_TOKEN_KEY_H

#include "base/require.h"
#include "base/map.h"
#include "store/stamp.h"
#include "store/store.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Length of the page's part at the start of a long form. apply.lua uses the same number. */
#define TOKEN_KEY_PAGE_LENGTH 8

/** Length of a hashed token. */
#define TOKEN_KEY_LENGTH 16

/** Longest long form. */
#define TOKEN_KEY_LONG_MAX (TOKEN_KEY_PAGE_LENGTH + STORE_TOKEN_MAX)

/** The form in which a store keeps a token. */
struct token_key {
    size_t length;
    char bytes[TOKEN_KEY_LONG_MAX];
};

/** Returns the 64 bits that stand for a page in the keys of its tokens. */
static inline uint64_t token_key_page(const char *page, size_t page_length)
{
    /* public and constant: later versions must find the keys that it produced */
    static const uint64_t page_secret[2] = {UINT64_C(0x2f76312f6869742f),
                                            UINT64_C(0x746f6b656e6b6579)};

    return map_hash(page_secret, page, page_length);
}

/**
 * Returns whether the store adds the page to tokens of a window. Tokens of STORE_WINDOW_DAY are
 * already hashes of visitor and page (see http/visitor); stores keep them unchanged.
 */
static inline bool token_key_has_page(enum store_window window)
{
    return window != STORE_WINDOW_DAY;
}

/**
 * Returns the id that a store keeps for a stamp on a page. `stamp` is the stamp as a token.
 * Different ids stay different on the same page.
 */
static inline uint64_t token_key_stamp_id(const char *stamp, uint64_t page)
{
    return stamp_read(stamp).id ^ page;
}

/** Returns the id that a store keeps for the view of a page. `view` is its token. */
static inline uint64_t token_key_view_id(const char *view, uint64_t page)
{
    uint64_t id;

    memcpy(&id, view, sizeof(id));
    return be64toh(id) ^ page;
}

/** Writes the long form of a token of a client or of attempts; see token_key_write(). */
static inline void token_key_write_long(const struct store_token *token, uint64_t page,
                                        struct token_key *ret_key)
{
    uint64_t page_bytes = htobe64(page);

    require(token->length != 0 && token->length <= STORE_TOKEN_MAX);
    require(store_window_is_hashed(token->window));
    memcpy(ret_key->bytes, &page_bytes, TOKEN_KEY_PAGE_LENGTH);
    memcpy(ret_key->bytes + TOKEN_KEY_PAGE_LENGTH, token->bytes, token->length);
    ret_key->length = TOKEN_KEY_PAGE_LENGTH + token->length;
}

/** Writes the key of a token on a page; `page` is its token_key_page(). */
static inline void token_key_write(const struct store_token *token, uint64_t page,
                                   struct token_key *ret_key)
{
    /* public and constant, as that of token_key_page() */
    static const uint64_t secrets[2][2] = {
        {UINT64_C(0x2f76332f66697273), UINT64_C(0x742f746f6b656e2f)},
        {UINT64_C(0x2f76332f7365636f), UINT64_C(0x6e642f746f6b656e)}};
    uint64_t halves[2];

    require(token->length != 0 && token->length <= STORE_TOKEN_MAX);
    require(token->window < STORE_WINDOW_COUNT);
    if (token->window == STORE_WINDOW_STAMPED) {
        struct stamp stamp = {stamp_read(token->bytes).ms, token_key_stamp_id(token->bytes, page)};

        stamp_write(stamp, ret_key->bytes);
        ret_key->length = STAMP_LENGTH;
        return;
    }
    if (token->window == STORE_WINDOW_VIEW) {
        halves[0] = htobe64(token_key_view_id(token->bytes, page));
        memcpy(ret_key->bytes, halves, STORE_VIEW_LENGTH);
        ret_key->length = STORE_VIEW_LENGTH;
        return;
    }
    if (!store_window_is_hashed(token->window)) {
        memcpy(ret_key->bytes, token->bytes, token->length);
        ret_key->length = token->length;
        return;
    }
    token_key_write_long(token, page, ret_key);
    for (size_t i = 0; i < 2; i++) {
        halves[i] = htobe64(map_hash(secrets[i], ret_key->bytes, ret_key->length));
    }
    memcpy(ret_key->bytes, halves, TOKEN_KEY_LENGTH);
    ret_key->length = TOKEN_KEY_LENGTH;
}

#endif
