/* SPDX-License-Identifier: MIT */
/**
 * redis_link: a connection to a Redis or Valkey server that keeps itself up.
 *
 *     DOWN -> RESOLVING -> CONNECTING -> GREETING -> READY
 *
 * Greeting authenticates, chooses the database, makes sure that the server is a master, and loads
 * the script. Whatever fails leads to DOWN, from where it is tried again with backoff. While it is
 * READY and nothing is under way, the role is asked for now and then, so that a dead peer or a
 * demoted master is noticed before a visit has to wait for it.
 *
 * Commands are answered in order. When the connection is lost, those in flight end without a reply:
 * they may have been executed. hiredis parses the replies; the bytes travel by stream.h.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LINK_H
#define VISITCOUNTD_STORE_REDIS_LINK_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/redis_command.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct redis_link;
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
    const char *password; /* empty: no authentication */
    uint64_t db;
    struct ssl_ctx_st *tls;  /* or NULL; the caller's */
    const char *client_name; /* as CLIENT LIST shows it */
    const char *script;      /* loaded on each connect; NULL: none */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    void (*on_change)(void *data, bool ready); /* in the loop, never from inside a call */
    /**
     * Makes the link a subscriber: what it is told without having asked, and the answers to
     * redis_link_post(). Arrays of which the first element is a text. NULL: no subscriber.
     */
    void (*on_message)(void *data, const struct redisReply *message);
    void *data;
};

/** A new link, which starts to connect. The strings of `options` are the caller's and stay. */
struct redis_link *redis_link_create(struct loop *loop, const struct redis_link_options *options);

/** Ends all calls without a reply and frees the link; on_change is not called. NULL is allowed. */
void redis_link_destroy(struct redis_link *link);

/**
 * Sends a copy of `command`. Returns 0; or, with on_reply never called and the command certainly
 * not executed, -ENOTCONN when the link is not ready or -ENOBUFS when too many commands are in
 * flight.
 */
int redis_link_send(struct redis_link *link, struct redis_call *call,
                    struct redis_command *command);

/** Keeps what is sent back, so that it leaves together with what follows. */
void redis_link_hold(struct redis_link *link);

/** Sends what was kept back, in one piece, and holds no longer. */
void redis_link_release(struct redis_link *link);

/** Sends a command of a ready subscriber's that is answered by messages: (UN)SUBSCRIBE. */
void redis_link_post(struct redis_link *link, struct redis_command *command);

/** Gives the connection up, for a `reason` that an answer gave, and connects anew. */
void redis_link_reset(struct redis_link *link, const char *reason);

/** Whether commands can be sent. */
bool redis_link_is_ready(const struct redis_link *link);

/** SHA-1 of the loaded script, in hexadecimal, for EVALSHA; valid while the link is ready. */
const char *redis_link_script_sha(const struct redis_link *link);

/** Fills all of `ret_health`. */
void redis_link_health(const struct redis_link *link, struct store_health *ret_health);

#endif
