/* SPDX-License-Identifier: MIT */
/**
 * redis_link_options: how a link is made, and a command in flight.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LINK_OPTIONS_H
#define VISITCOUNTD_STORE_REDIS_LINK_OPTIONS_H

#include "base/list.h"
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct ssl_ctx_st;

/** A command in flight, embedded in its owner, who keeps it until `on_reply` was called. */
struct redis_call {
    struct list link;
    uint64_t sent_at_us; /* without the pauses of the process before: see loop_lost_ms() */
    /**
     * Once, in the loop. `reply` is gone afterwards; NULL when the connection was lost, with
     * `reason` in words: the command may have been executed.
     */
    void (*on_reply)(struct redis_call *call, const struct redisReply *reply, const char *reason);
};

struct redis_link_options {
    struct address address;
    const char *username; /* empty: the default user */
    const char *password; /* empty: none; without a username no authentication */
    uint64_t db;
    struct ssl_ctx_st *tls;  /* or NULL; the caller's */
    const char *client_name; /* as CLIENT LIST shows it */
    const char *script;      /* loaded on each connect; NULL: none */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    uint64_t replica_grace_ms; /* for how long a replica that is gone is remembered */
    /** The server did not accept the user or password, or wants one; in the loop. May be NULL. */
    void (*on_denied)(void *data);
    void (*on_change)(void *data, bool ready); /* in the loop, never from inside a call */
    /**
     * Makes the link a subscriber: what it is told without having asked, and the answers to
     * redis_link_post(). Arrays of which the first element is a text. NULL: no subscriber.
     */
    void (*on_message)(void *data, const struct redisReply *message);
    void *data;
};

#endif
