/* SPDX-License-Identifier: MIT */
/**
 * redis_link: a connection to a Redis or Valkey server that keeps itself up.
 *
 *     DOWN -> RESOLVING -> CONNECTING -> GREETING -> READY
 *
 * Greeting authenticates, chooses the database, makes sure that the server is a master, and loads
 * the script: see redis_greeting.h. Whatever fails leads to DOWN, from where it is tried again with
 * backoff, at the next address of the name. While it is READY the role is asked for every fifteen
 * seconds: this notices a dead peer and a demoted master before a visit has to wait for it, and how
 * far the replicas are.
 *
 * A server or proxy may close connections that are idle. Once the link knows, because it was told
 * or because that happened twice, it sends something in time.
 *
 * Commands are answered in order. When the connection is lost, those in flight end without a reply:
 * they may have been executed. hiredis parses the replies; the bytes travel by stream.h.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LINK_H
#define VISITCOUNTD_STORE_REDIS_LINK_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link_options.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct redis_link;
struct redisReply;
struct ssl_ctx_st;

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

/**
 * Other credentials, which are the caller's and stay. They are used from the next connection on; a
 * link that is down tries them at once, and a ready one that is no subscriber's authenticates with
 * them on its connection.
 */
void redis_link_set_credentials(struct redis_link *link, const char *username,
                                const char *password);

/** For how long a replica that is gone is remembered from now on. */
void redis_link_set_replica_grace(struct redis_link *link, uint64_t grace_ms);

/** The server closes connections that were idle for `timeout_ms`: keeps this one from being so. */
void redis_link_keep_alive(struct redis_link *link, uint64_t timeout_ms);

/** Whether commands can be sent. */
bool redis_link_is_ready(const struct redis_link *link);

/** SHA-1 of the script, in hexadecimal, for EVALSHA; valid while the link is ready. */
const char *redis_link_script_sha(const struct redis_link *link);

/** Fills all of `ret_health`. */
void redis_link_health(const struct redis_link *link, struct store_health *ret_health);

#endif
