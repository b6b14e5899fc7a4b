/* SPDX-License-Identifier: MIT */
/**
 * redis_reads: limits how long visits wait for reads in Redis.
 *
 * Redis executes one command at a time, so a visit waits for all reads that were sent before it. A
 * read is therefore sent in parts of about half a millisecond, and REDIS_READS_MAX parts at most
 * are under way. Waiting reads take turns: each sends one part, then goes to the end of its queue.
 * Reads of operators go first.
 */
#ifndef VISITCOUNTD_STORE_REDIS_READS_H
#define VISITCOUNTD_STORE_REDIS_READS_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>

struct redis_link;

/** The most parts of reads that Redis works on at a time, for one instance. */
#define REDIS_READS_MAX 4

/**
 * The most numbers of a page and a day or hour that one part reads. One takes at most 5 us: that of
 * a hash of 500 fields, which Redis searches from the front.
 */
#define REDIS_READS_NUMBERS_MAX 64

/**
 * The most HyperLogLogs that one part counts. One takes 16 us after it has changed; later counts
 * take 0.3 us, because Redis keeps the result.
 */
#define REDIS_READS_VISITORS_MAX 32

/** The most pages whose totals one part reads. One takes at most 1 us. */
#define REDIS_READS_TOTALS_MAX 500

/** Members that one step of a scan examines, about. One takes 1 us. */
#define REDIS_READS_SCAN_COUNT 500

/** A read with parts to send. Embedded in its owner. */
struct redis_read_turn {
    struct list link; /* in no list while it has nothing to send */
    /** Sends the next part. Returns whether more parts are left. */
    bool (*send_next)(struct redis_read_turn *turn);
};

struct redis_reads {
    struct redis_link *link; /* NULL at the end of the store */
    struct list of_operators;
    struct list of_visitors;
    size_t under_way; /* parts without a reply */
};

void redis_reads_init(struct redis_reads *reads);

/** Queues a read whose `send_next` is set, and sends what may be sent now. */
void redis_reads_add(struct redis_reads *reads, struct redis_read_turn *turn, bool for_operator);

/** Takes a read out of its queue: it has failed, and sends no more parts. */
void redis_reads_remove(struct redis_read_turn *turn);

/** Notes that a part has ended, and sends what may be sent now. */
void redis_reads_end_part(struct redis_reads *reads);

#endif
