/* SPDX-License-Identifier: MIT */
/** redis_link_options: the options of a link, and a command in flight. */
#ifndef VISITCOUNTD_STORE_REDIS_LINK_OPTIONS_H
#define VISITCOUNTD_STORE_REDIS_LINK_OPTIONS_H

#include "base/list.h"
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct ssl_ctx_st;

/**
 * A command in flight. It is embedded in its owner and must stay valid until `on_reply` was called.
 */
struct redis_call {
    struct list link;
    uint64_t sent_at_us; /* less the earlier pauses of the process: see loop_lost_ms() */
    /**
     * Called once, in the loop. `reply` is valid until the callback returns. It is NULL if the
     * connection was lost; `reason` then says why, and the server may have executed the command.
     */
    void (*on_reply)(struct redis_call *call, const struct redisReply *reply, const char *reason);
};

struct redis_link_options {
    struct address address;
    const char *username; /* empty: the default user */
    const char *password; /* empty: none; no AUTH if both are empty */
    uint64_t db;
    struct ssl_ctx_st *tls;  /* NULL: no TLS; the caller owns it */
    const char *client_name; /* as CLIENT LIST shows it */
    const char *script;      /* loaded on each connect; NULL: none */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    uint64_t replica_grace_ms; /* how long a missing replica is remembered */
    /**
     * Called in the loop if the server rejects the user or password, or requires one. May be NULL.
     */
    void (*on_denied)(void *data);
    void (*on_change)(void *data, bool ready); /* in the loop, never inside a call */
    /**
     * Makes the link a subscriber. Receives published messages and the replies to
     * redis_link_post(). `message` is an array whose first element is a string. NULL: the link is
     * no subscriber.
     */
    void (*on_message)(void *data, const struct redisReply *message);
    void *data;
};

#endif
