/* SPDX-License-Identifier: MIT */
/**
 * redis_replicas: tracks how far the replicas of a server are behind it. Input: replies to ROLE and
 * INFO replication. Output: the loop time before which every answered batch is on all known
 * replicas.
 *
 * The mark is the time of one query and the replication offset in its reply. All batches that were
 * answered before this time have lower offsets. Once every known replica has acknowledged the
 * mark's offset, the mark's time is proven. The latest reply then becomes the next mark.
 *
 * A replica that the server no longer names stays known for the grace period, because it may be
 * partitioned and then promoted. Only time in which the server was queried counts. Pure logic: no
 * timers, no connection.
 */
#ifndef VISITCOUNTD_STORE_REDIS_REPLICAS_H
#define VISITCOUNTD_STORE_REDIS_REPLICAS_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

/**
 * The most replicas that are known at once. Of further ones only the lowest offset in the latest
 * reply counts.
 */
#define REDIS_REPLICAS_MAX 64

/**
 * How often the server is queried. A reconnect adds at most this much to the time that a replica
 * has been missing.
 */
#define REDIS_REPLICAS_INTERVAL_MS 15000

struct redis_replicas {
    const char *server; /* for the log; the caller owns it */
    uint64_t grace_ms;
    struct {
        uint64_t at_ms;
        uint64_t offset;
    } mark;
    bool has_mark;
    bool is_reconnected;    /* no reply on this connection yet */
    uint64_t asked_at_ms;   /* query time of the previous reply; 0: none */
    uint64_t proven_ms;     /* batches answered before are on all known replicas */
    bool has_unkept;        /* the last reply named more replicas than fit */
    uint64_t unkept_offset; /* the lowest offset of those that did not fit */
    struct {
        uint64_t asked_at_ms;
        uint64_t offset; /* of the server */
    } reply;             /* the reply that is being read */
    size_t count;
    bool is_named[REDIS_REPLICAS_MAX]; /* in that reply */
    struct store_replica *known;       /* room for the maximum; NULL until the first one */
};

/**
 * Initialises it without replicas. `server` must outlive it. Finish it with
 * redis_replicas_finish().
 */
void redis_replicas_init(struct redis_replicas *replicas, const char *server, uint64_t grace_ms);
void redis_replicas_finish(struct redis_replicas *replicas);

/**
 * Notes a new connection. Offsets may have restarted, so the mark is dropped. `peer` is the
 * server's numeric address, or empty. A replica with this address was promoted, so it is forgotten.
 */
void redis_replicas_reconnect(struct redis_replicas *replicas, const char *peer);

/**
 * Records a reply: call begin, then add for each replica that the server calls online, then end.
 * `asked_at_ms` is the loop time of the query.
 */
void redis_replicas_begin(struct redis_replicas *replicas, uint64_t asked_at_ms, uint64_t offset);
void redis_replicas_add(struct redis_replicas *replicas, const char *address, uint64_t offset);
void redis_replicas_end(struct redis_replicas *replicas);

/** Forgets all replicas: the server does not report them, so there are none to wait for. */
void redis_replicas_clear(struct redis_replicas *replicas);

/** Records a master's reply to ROLE. Returns false and changes nothing if it is not one. */
bool redis_replicas_parse_role(struct redis_replicas *replicas, uint64_t asked_at_ms,
                               const struct redisReply *reply);

/**
 * Records the text of INFO replication. Returns false and changes nothing if it is not a master's.
 */
bool redis_replicas_parse_info(struct redis_replicas *replicas, uint64_t asked_at_ms,
                               const char *text);

/** Returns the value of store_health.replicated_before_ms. */
uint64_t redis_replicas_before_ms(const struct redis_replicas *replicas);

#endif
