/* SPDX-License-Identifier: MIT */
/**
 * token_key: the form in which a store keeps a token, which names the page as well: a token on
 * another page is another visit. Stores derive it when they look a token up. Batches and journals
 * carry tokens as they came, so a record of any age is looked up in the same form.
 *
 * A page is named by 64 bits, the same in every process and version. Behind a token of a client or
 * of attempts they are 8 bytes more. In a stamp they change the id, so it stays as long as it is.
 * Two pages of a site have the same 64 bits with a probability of 2^-64. Clients choose pages, but
 * they gain nothing from two such pages: only visits that they send under the same token are taken
 * for repetitions.
 */
#ifndef VISITCOUNTD_STORE_TOKEN_KEY_H
#define VISITCOUNTD_STORE_TOKEN_KEY_H

#include "store/stamp.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Length of the page's part, which comes first. apply.lua has the same number. */
#define TOKEN_KEY_PAGE_LENGTH 8

/** The form in which a token is kept. */
struct token_key {
    size_t length;
    char bytes[TOKEN_KEY_PAGE_LENGTH + STORE_TOKEN_MAX];
};

/** Returns the 64 bits that stand for a page in the keys of its tokens. */
uint64_t token_key_page(const char *page, size_t page_length);

/**
 * Whether tokens of a window get the page from the store. Those of a day are hashes of visitor and
 * page already (see http/visitor), and are kept as they are.
 */
static inline bool token_key_has_page(enum store_window window)
{
    return window != STORE_WINDOW_DAY;
}

/**
 * Returns the id that is kept of a stamp, given as a token, on a page. On one page different ids
 * stay different.
 */
static inline uint64_t token_key_stamp_id(const char *stamp, uint64_t page)
{
    return stamp_read(stamp).id ^ page;
}

/** Writes the key of a token on the page that token_key_page() returned `page` for. */
void token_key_write(const struct store_token *token, uint64_t page, struct token_key *ret_key);

#endif
