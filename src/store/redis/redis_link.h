/* SPDX-License-Identifier: MIT */
/**
 * redis_link: a connection to a Redis or Valkey server that reconnects by itself.
 *
 *     DOWN -> RESOLVING -> CONNECTING -> HANDSHAKE -> READY
 *
 * HANDSHAKE authenticates, selects the database, verifies that the server is a master, and loads
 * the script; see redis_handshake.h. Every failure leads to DOWN. From there the link retries with
 * back-off, at the next address of the name. A READY link reads the server's role every 15 seconds.
 * This heartbeat detects a dead peer or a demoted master before a visit has to wait for it. It also
 * reads the replication offsets.
 *
 * A server or proxy may close idle connections. The link learns this from redis_link_keep_alive(),
 * or from two such closes. From then on it sends heartbeats often enough to keep the connection
 * busy.
 *
 * Replies arrive in the order of the commands. When the connection is lost, all commands in flight
 * end without a reply. The server may have executed them. hiredis parses the replies. stream.h
 * transports the bytes.
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

/** Creates a link and starts to connect. The strings of `options` must outlive the link. */
struct redis_link *redis_link_create(struct loop *loop, const struct redis_link_options *options);

/** Ends all calls without a reply and frees the link. Does not call on_change. NULL is allowed. */
void redis_link_destroy(struct redis_link *link);

/**
 * Sends a copy of `command`. Returns 0, -ENOTCONN if the link is not ready, or -ENOBUFS if too many
 * commands are in flight. After an error, on_reply is not called and the command was not executed.
 */
int redis_link_send(struct redis_link *link, struct redis_call *call,
                    struct redis_command *command);

/** Buffers all further commands, so that one write sends them together. */
void redis_link_hold(struct redis_link *link);

/** Sends the buffered commands in one write and ends the buffering. */
void redis_link_release(struct redis_link *link);

/** Sends a command of a ready subscriber that is answered by messages: (UN)SUBSCRIBE. */
void redis_link_post(struct redis_link *link, struct redis_command *command);

/** Closes the connection because of a reply, and reconnects. `reason` is logged. */
void redis_link_reset(struct redis_link *link, const char *reason);

/**
 * Sets new credentials. The strings must outlive the link. All further connections use them. A link
 * that is down retries at once. A ready link that is no subscriber also authenticates with them on
 * its present connection.
 */
void redis_link_set_credentials(struct redis_link *link, const char *username,
                                const char *password);

/** Sets how long a missing replica is remembered. */
void redis_link_set_replica_grace(struct redis_link *link, uint64_t grace_ms);

/** Keeps the connection from being idle for `timeout_ms`, after which the server would close it. */
void redis_link_keep_alive(struct redis_link *link, uint64_t timeout_ms);

/** Returns whether commands can be sent. */
bool redis_link_is_ready(const struct redis_link *link);

/** Returns the SHA-1 of the script in hexadecimal, for EVALSHA. Valid while the link is ready. */
const char *redis_link_script_sha(const struct redis_link *link);

/** Fills all of `ret_health`. */
void redis_link_health(const struct redis_link *link, struct store_health *ret_health);

#endif
