/* SPDX-License-Identifier: MIT */
#include "http/token.h"

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

static void set_token(struct visit *visit, h2o_iovec_t value, enum store_window window)
{
    visit->token = value.base;
    visit->token_length = value.len;
    visit->token_window = window;
}

bool token_take(const struct client *client, struct visit *visit)
{
    const struct request_headers *headers = &client->headers;

    visit->token = NULL;
    if (headers->idempotency_key.len != 0) {
        set_token(visit, headers->idempotency_key, STORE_WINDOW_CLIENT);
        return is_token(headers->idempotency_key);
    }
    if (client->is_behind_proxy && is_token(headers->request_id)) {
        set_token(visit, headers->request_id, STORE_WINDOW_ATTEMPT);
    }
    return true;
}
