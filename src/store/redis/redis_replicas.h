/* SPDX-License-Identifier: MIT */
/**
 * redis_replicas: how far the replicas of a server are behind it. Replies of ROLE and of INFO
 * replication go in; the time before which all that was answered is on every known replica comes
 * out.
 *
 * There is one mark: a time at which the server was asked, and the offset that it answered. All
 * that was answered to visitors before that time is at a lower offset. Once every known replica has
 * acknowledged the mark's offset, the mark's time is proven and the latest reply is the next mark.
 *
 * A replica that the server no longer names is still known until it has been missing for the grace
 * period: it may be cut off and be promoted. Only time in which the server was asked counts.
 * Pure logic: no timers, no connection.
 */
#ifndef VISITCOUNTD_STORE_REDIS_REPLICAS_H
#define VISITCOUNTD_STORE_REDIS_REPLICAS_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

/** Replicas that are known at once. Further ones count in the reply that names them. */
#define REDIS_REPLICAS_MAX 64

/** How often the server is asked. Across a reconnect no more than this counts as missing. */
#define REDIS_REPLICAS_INTERVAL_MS 15000

struct redis_replicas {
    const char *server; /* for the log; the caller's */
    uint64_t grace_ms;
    struct {
        uint64_t at_ms;
        uint64_t offset;
    } mark;
    bool has_mark;
    bool is_reconnected;    /* no reply yet on this connection */
    uint64_t asked_at_ms;   /* of the reply before; 0: there was none */
    uint64_t proven_ms;     /* all that was answered before is on every known replica */
    bool has_unkept;        /* the last reply named more replicas than are kept */
    uint64_t unkept_offset; /* the lowest of theirs */
    struct {
        uint64_t asked_at_ms;
        uint64_t offset; /* the server's */
    } reply;             /* the one that is being taken */
    size_t count;
    bool is_named[REDIS_REPLICAS_MAX]; /* by that reply */
    struct store_replica *known;       /* room for all; NULL until there was one */
};

/** Prepares it without replicas. `server` outlives it. Ends with redis_replicas_finish(). */
void redis_replicas_init(struct redis_replicas *replicas, const char *server, uint64_t grace_ms);
void redis_replicas_finish(struct redis_replicas *replicas);

/**
 * A connection begins: offsets may have restarted, so the mark goes. `peer` is the server's numeric
 * address, or empty; a replica of this address was promoted and is none any more.
 */
void redis_replicas_reconnect(struct redis_replicas *replicas, const char *peer);

/** Takes a reply: begin, each replica that the server calls online, end. Times are loop times. */
void redis_replicas_begin(struct redis_replicas *replicas, uint64_t asked_at_ms, uint64_t offset);
void redis_replicas_add(struct redis_replicas *replicas, const char *address, uint64_t offset);
void redis_replicas_end(struct redis_replicas *replicas);

/** The server does not tell about its replicas: there are none to wait for. */
void redis_replicas_clear(struct redis_replicas *replicas);

/** Takes a master's reply to ROLE. False, with nothing changed, when it is not one. */
bool redis_replicas_take_role(struct redis_replicas *replicas, uint64_t asked_at_ms,
                              const struct redisReply *reply);

/** Takes the text of INFO replication; likewise. */
bool redis_replicas_take_info(struct redis_replicas *replicas, uint64_t asked_at_ms,
                              const char *text);

/** What store_health.replicated_before_ms is. */
uint64_t redis_replicas_before_ms(const struct redis_replicas *replicas);

#endif
