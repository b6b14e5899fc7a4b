/* SPDX-License-Identifier: MIT */
#include "http/token.h"

#define TOKEN_DIGITS     32
#define TOKEN_BITS_BYTES 16

static bool is_token(h2o_iovec_t value)
{
    if (value.len == 0 || value.len > STORE_TOKEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] <= ' ' || value.base[i] > '~') {
            return false;
        }
    }
    return true;
}

/* one more than the value of a digit that $request_id has; 0 for other bytes */
static const unsigned char digits[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* the 128 bits of 32 digits */
static bool pack(const unsigned char text[static TOKEN_DIGITS],
                 char ret_bits[static TOKEN_BITS_BYTES])
{
    for (size_t i = 0; i < TOKEN_BITS_BYTES; i++) {
        int high = digits[text[2 * i]];
        int low = digits[text[2 * i + 1]];

        if (high == 0 || low == 0) {
            return false;
        }
        ret_bits[i] = (char)((high - 1) << 4 | (low - 1));
    }
    return true;
}

/*
 * Most tokens are nginx's $request_id, 128 bits as 32 digits: they are kept as 16 bytes. Anything
 * else stays as it is, but for text of 16 bytes, which gets one more: no two become the same. False
 * for what is no token.
 */
static bool set_token(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value,
                      enum store_window window)
{
    char *bits = value.len == TOKEN_DIGITS ? h2o_mem_alloc_pool(pool, TOKEN_BITS_BYTES) : NULL;

    if (bits != NULL && pack((const unsigned char *)value.base, bits)) {
        value = h2o_iovec_init(bits, TOKEN_BITS_BYTES);
    } else if (!is_token(value)) {
        return false;
    } else if (value.len == TOKEN_BITS_BYTES) {
        value = h2o_strdup(pool, value.base, value.len);
        value.len++; /* the NUL behind it */
    }
    visit->token = value.base;
    visit->token_length = value.len;
    visit->token_window = window;
    return true;
}

bool token_take(h2o_mem_pool_t *pool, const struct client *client, struct visit *visit)
{
    const struct request_headers *headers = &client->headers;

    visit->token = NULL;
    if (headers->idempotency_key.len != 0) {
        return set_token(visit, pool, headers->idempotency_key, STORE_WINDOW_CLIENT);
    }
    if (client->is_behind_proxy) {
        (void)set_token(visit, pool, headers->request_id, STORE_WINDOW_ATTEMPT);
    }
    return true;
}
