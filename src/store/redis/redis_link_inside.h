/* SPDX-License-Identifier: MIT */
/**
 * redis_link_inside: private declarations of redis_link.c (states, commands, events),
 * redis_link_own.c (handshake and heartbeat) and redis_link_log.c (log messages).
 */
#ifndef VISITCOUNTD_STORE_REDIS_LINK_INSIDE_H
#define VISITCOUNTD_STORE_REDIS_LINK_INSIDE_H

#include "base/backoff.h"
#include "base/buf.h"
#include "store/redis/redis_handshake.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link_options.h"
#include "store/redis/redis_replicas.h"
#include "store/redis/stream.h"

/* how often the link reads the server's role */
#define REDIS_LINK_HEARTBEAT_MS REDIS_REPLICAS_INTERVAL_MS

/* remembered failure reasons, to log each only once per minute: each address may have its own */
#define REDIS_LINK_REASONS_MAX 16

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_HANDSHAKE, LINK_READY };

struct redisReader;

struct redis_own_call {
    struct redis_call call;
    struct redis_link *link;
    enum redis_step step;
    uint64_t asked_at_ms;
};

/* why the link went down, as logged */
struct redis_link_reason {
    uint64_t hash; /* of its text */
    uint64_t logged_at_ms;
};

struct redis_link {
    struct loop *loop;
    struct redis_link_options options;
    enum link_state state;
    struct stream_target target;
    struct stream *stream;
    struct redisReader *reader;
    struct list calls; /* in the order of their replies */
    size_t call_count;
    /* DOWN: next attempt; up to HANDSHAKE: connect timeout; READY: timeout of the oldest command */
    struct loop_timer timer;
    struct backoff backoff;

    struct redis_handshake handshake;
    struct redis_own_call own[REDIS_STEPS]; /* of handshake and heartbeat */
    bool was_answered;                      /* the server replied on this connection */
    bool is_changing_credentials;           /* AUTH of a ready link is in flight */

    struct loop_timer heartbeat; /* READY */
    uint64_t heartbeat_ms;
    uint64_t role_asked_at_ms;
    uint64_t sent_at_us;     /* of the last command */
    uint64_t closed_idle_ms; /* idle time of the last connection when the server closed it; or 0 */

    struct store_health health;
    uint64_t down_since_ms;
    struct redis_link_reason reasons[REDIS_LINK_REASONS_MAX];
    size_t reason_count; /* in total; only the latest are kept */
    bool was_ready;
    struct buf held; /* while is_holding */
    bool is_holding;
    bool is_reading; /* inside on_bytes: a reset must not free the reader now */
    bool is_closing; /* being destroyed: no on_change any more */
    struct redis_replicas replicas;
};

/* adds a command to those in flight, in any state */
void redis_link_submit(struct redis_link *link, struct redis_call *call,
                       struct redis_command *command);

/* the only transition to DOWN, from any state */
void redis_link_go_down(struct redis_link *link, const char *reason);

/* the handshake succeeded: the link becomes READY */
void redis_link_become_ready(struct redis_link *link);

/* redis_link_own.c: sends the handshake; runs the heartbeat; handles a lost connection in either */
void redis_link_begin_handshake(struct redis_link *link);
void redis_link_on_heartbeat(struct loop_timer *timer);
void redis_link_fail_handshake(struct redis_link *link, const char *reason);
void redis_link_note_idle_close(struct redis_link *link);

/* redis_link_log.c */
void redis_link_log_failure(struct redis_link *link, const char *reason);
void redis_link_log_ready(const struct redis_link *link);

#endif
