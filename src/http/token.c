/* SPDX-License-Identifier: MIT */
#include "http/token.h"

#include "config/config.h"
#include "http/server.h"

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

bool token_peer_is_trusted(const struct request *request)
{
    const struct config_networks *trusted = &server_config(request->server)->trusted_proxies;
    h2o_conn_t *conn = request->h2o->conn;
    struct sockaddr_storage peer;
    struct in6_addr address;

    if (conn->callbacks->get_peername(conn, (struct sockaddr *)&peer) == 0) {
        return false;
    }
    if (peer.ss_family == AF_UNIX) {
        return true;
    }
    if (sockaddr_ip((struct sockaddr *)&peer, &address) != 0) {
        return false;
    }
    for (size_t i = 0; i < trusted->count; i++) {
        if (network_contains(&trusted->items[i], &address)) {
            return true;
        }
    }
    return false;
}

bool token_take(const struct request *request, struct visit *visit)
{
    h2o_iovec_t key = request_header_named(request, "idempotency-key");
    h2o_iovec_t id;

    visit->token = NULL;
    if (key.len != 0) {
        set_token(visit, key, STORE_WINDOW_CLIENT);
        return is_token(key);
    }
    id = request_header_named(request, "x-request-id");
    if (is_token(id) && token_peer_is_trusted(request)) {
        set_token(visit, id, STORE_WINDOW_ATTEMPT);
    }
    return true;
}
