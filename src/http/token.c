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

/* the value of a digit that $request_id has, or -1 */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* the 128 bits of 32 digits */
static bool pack(h2o_iovec_t value, char ret_bits[static TOKEN_BITS_BYTES])
{
    if (value.len != TOKEN_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < TOKEN_BITS_BYTES; i++) {
        int high = hex_digit(value.base[2 * i]);
        int low = hex_digit(value.base[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        ret_bits[i] = (char)(high << 4 | low);
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
    char bits[TOKEN_BITS_BYTES];

    if (pack(value, bits)) {
        value = h2o_strdup(pool, bits, sizeof(bits));
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
