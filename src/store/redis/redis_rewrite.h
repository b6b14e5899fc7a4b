/* SPDX-License-Identifier: MIT */
/**
 * redis_rewrite: removes salts and visitors of bygone days from the append-only file of Redis.
 *
 * Redis appends each salt and each visitor's hash to that file and keeps them there, also after
 * the keys have expired, until it rewrites the file. So once a day, one of the instances deletes
 * the expired salts and then asks for BGREWRITEAOF. The key `vc:rewrite` holds the day of the last
 * request, by the clock of Redis. The instance that sets it asks. A day begins at 12:00 UTC, when
 * the latest salt expires (salt.h).
 *
 * Nothing is asked if Redis has no append-only file, or if its machine has less free memory than a
 * fork may need. The check "rewrite" of redis_checks reports that, and a server that refuses.
 */
#ifndef VISITCOUNTD_STORE_REDIS_REWRITE_H
#define VISITCOUNTD_STORE_REDIS_REWRITE_H

#include "loop/loop.h"
#include "store/redis/redis_link.h"
#include "store/redis/redis_look.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_rewrite {
    struct loop *loop;
    struct redis_link *link; /* NULL when the link was destroyed */
    struct redis_look *look;
    struct loop_timer timer;
    struct redis_call call;
    bool is_open;         /* `call` is in flight */
    bool is_on;           /* redis.rewrite is "auto" */
    uint64_t asked_at;    /* the half hour of the last attempt, by our clock; 0: none */
    uint64_t again_at_ms; /* no attempt before: the last one failed */
};

/** Initialises `rewrite` without a link. `look` must outlive it. */
void redis_rewrite_init(struct redis_rewrite *rewrite, struct loop *loop, struct redis_look *look,
                        bool is_on);

/** Detaches the link. Call it before the link is destroyed. */
void redis_rewrite_finish(struct redis_rewrite *rewrite);

/** Notes that the link became ready, or no longer is. */
void redis_rewrite_note(struct redis_rewrite *rewrite, bool is_ready);

#endif
