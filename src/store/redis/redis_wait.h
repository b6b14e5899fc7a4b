/* SPDX-License-Identifier: MIT */
/**
 * redis_wait: delays answers until replicas have confirmed the writes (redis.wait_replicas).
 *
 * All commands of one turn of the loop share one WAIT. It follows them in the same write. At most
 * two WAITs are in flight, and one while replicas are slow. Later commands share the next WAIT.
 * More WAITs would queue up their timeouts, because Redis runs no other command of a connection
 * that waits.
 */
#ifndef VISITCOUNTD_STORE_REDIS_WAIT_H
#define VISITCOUNTD_STORE_REDIS_WAIT_H

#include "base/list.h"
#include "loop/loop.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_link.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Waits for the replicas. Embedded in the sender of a command; initialise `link` with list_init().
 */
struct redis_waiter {
    struct list link;
    /** Called once, in the loop, with the number of replicas that have confirmed the command. */
    void (*on_waited)(struct redis_waiter *waiter, uint64_t replicas);
};

struct redis_wait {
    struct loop *loop;
    struct redis_link *link; /* NULL when the link was destroyed */
    uint64_t replicas;       /* to wait for; 0: off, must not be joined */
    uint64_t timeout_ms;
    struct redis_command command;
    struct list waiting; /* waiters of the next WAIT */
    struct loop_task send;
    bool is_holding;             /* holds the link until the WAIT is sent */
    uint64_t under_way;          /* WAITs in flight */
    bool is_slow;                /* too few replicas confirmed the last WAIT */
    uint64_t error_logged_at_ms; /* 0: never */
};

/** Initialises `wait` without a link. */
void redis_wait_init(struct redis_wait *wait, struct loop *loop, uint64_t replicas,
                     uint64_t timeout_ms);

/** Calls all waiters with 0 replicas. Call it after the link was destroyed. */
void redis_wait_finish(struct redis_wait *wait);

/**
 * Call it before a waiter's command is sent, so that the command and its WAIT leave in one write.
 */
void redis_wait_prepare(struct redis_wait *wait);

/**
 * Joins the next WAIT. Never calls on_waited from inside. To leave, call list_remove() on `link`.
 */
void redis_wait_join(struct redis_wait *wait, struct redis_waiter *waiter);

#endif
