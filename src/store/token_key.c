/* SPDX-License-Identifier: MIT */
#include "store/token_key.h"

#include "base/map.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* public and constant: later versions must find the keys that it produced */
static const uint64_t page_secret[2] = {UINT64_C(0x2f76312f6869742f), UINT64_C(0x746f6b656e6b6579)};

uint64_t token_key_page(const char *page, size_t page_length)
{
    assert(page_length <= STORE_PAGE_MAX);
    return map_hash(page_secret, page, page_length);
}

static void write_stamp(const struct store_token *token, uint64_t page, struct token_key *ret_key)
{
    struct stamp stamp = {stamp_read(token->bytes).ms, token_key_stamp_id(token->bytes, page)};

    assert(token->length == STAMP_LENGTH);
    stamp_write(stamp, ret_key->bytes);
    ret_key->length = STAMP_LENGTH;
}

void token_key_write(const struct store_token *token, uint64_t page, struct token_key *ret_key)
{
    uint64_t page_bytes = htobe64(page);
    char *at = ret_key->bytes;

    assert(token->length != 0 && token->length <= STORE_TOKEN_MAX);
    assert(token->window < STORE_WINDOW_COUNT);
    if (token->window == STORE_WINDOW_STAMPED) {
        write_stamp(token, page, ret_key);
        return;
    }
    if (token_key_has_page(token->window)) {
        at = mempcpy(at, &page_bytes, TOKEN_KEY_PAGE_LENGTH);
    }
    at = mempcpy(at, token->bytes, token->length);
    ret_key->length = (size_t)(at - ret_key->bytes);
}
