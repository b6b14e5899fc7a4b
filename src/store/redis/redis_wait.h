/* SPDX-License-Identifier: MIT */
/**
 * redis_wait: holds answers back until replicas have what they are about (redis.wait_replicas).
 *
 * All commands of one turn of the loop share one WAIT, which goes out behind them in the same
 * write. There are at most two under way, and one while replicas are slow; what comes meanwhile
 * shares the next one, instead of queueing up one timeout behind the other: Redis runs nothing of a
 * connection that waits.
 */
#ifndef VISITCOUNTD_STORE_REDIS_WAIT_H
#define VISITCOUNTD_STORE_REDIS_WAIT_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link.h"

#include <stdbool.h>
#include <stdint.h>

/** Somebody who waits, embedded in whoever sent the command; initialise `link` with list_init(). */
struct redis_waiter {
    struct list link;
    /** Once, in the loop: this many replicas have confirmed what was sent before. */
    void (*on_waited)(struct redis_waiter *waiter, uint64_t replicas);
};

struct redis_wait {
    struct loop *loop;
    struct redis_link *link; /* NULL when it is gone */
    uint64_t replicas;       /* to wait for; 0: it is off, and nobody joins */
    uint64_t timeout_ms;
    struct redis_command command;
    struct list waiting; /* for the next WAIT */
    struct loop_task send;
    bool is_holding;             /* the link, until it is sent */
    uint64_t under_way;          /* WAITs without an answer */
    bool is_slow;                /* the last one that ended was answered by too few */
    uint64_t error_logged_at_ms; /* 0: never */
};

/** Prepares it, without a link. */
void redis_wait_init(struct redis_wait *wait, struct loop *loop, uint64_t replicas,
                     uint64_t timeout_ms);

/** Tells whoever still waits that no replica has confirmed; the link is gone. */
void redis_wait_finish(struct redis_wait *wait);

/** Call before a command is sent that a waiter is for: it leaves together with its WAIT. */
void redis_wait_prepare(struct redis_wait *wait);

/** Joins the next WAIT; on_waited is never called from inside. list_remove() leaves it again. */
void redis_wait_join(struct redis_wait *wait, struct redis_waiter *waiter);

#endif
