/* SPDX-License-Identifier: MIT */
/**
 * stats: what the engine counts about itself: totals since the start, a histogram of latencies, and
 * the rate of the last seconds.
 */
#ifndef VISITCOUNTD_COUNT_STATS_H
#define VISITCOUNTD_COUNT_STATS_H

#include <stdint.h>

/**
 * Buckets of the latency histogram: four per power of two of microseconds, so that a percentile is
 * off by at most a quarter; the last one takes all above 2^27 us (134 s) as well.
 */
#define STATS_BUCKETS 104

/** Seconds over which the rate is taken. */
#define STATS_RATE_SECONDS 10

struct stats {
    uint64_t accepted;   /* visits that the engine took */
    uint64_t applied;    /* visits answered with their number */
    uint64_t repeated;   /* visits whose token had been seen before */
    uint64_t journaled;  /* visits answered as journaled */
    uint64_t replayed;   /* visits that the store took from the journal */
    uint64_t refused;    /* visits answered as certainly not counted */
    uint64_t unknown;    /* visits answered as perhaps counted */
    uint64_t waiting;    /* visits without an answer yet */
    uint64_t batches;    /* batches applied */
    uint64_t resent;     /* batches sent more than once */
    uint64_t duplicates; /* batches that the store already had */
    uint64_t gaps;       /* times the store was found to have gone back in time */
    uint64_t healed;     /* visits sent again after a gap, which the store has again */
    uint64_t lost;       /* visits that a gap took and that were no longer kept */
    uint64_t outdated;   /* visits in doubt, since their site was repaired after they were sent */

    /* visits that are no longer kept to heal the store with, since there was no room */
    uint64_t unprotected;

    /* of those applied or repeated: too few replicas have confirmed them in time */
    uint64_t unconfirmed;

    uint64_t latency_count;
    uint64_t latency_sum_us;
    uint64_t latency_buckets[STATS_BUCKETS];
    struct {
        uint64_t second; /* of the monotonic clock */
        uint64_t visits;
    } rate[STATS_RATE_SECONDS + 1];
};

/** Notes `visits` answered at `now_ms` of the monotonic clock. */
void stats_add_applied(struct stats *stats, uint64_t visits, uint64_t now_ms);

/** Notes one latency, from the visit's arrival to its answer. */
void stats_add_latency(struct stats *stats, uint64_t latency_us);

/** The latency in us that `percent` (0-100) of the visits did not exceed; 0 without visits. */
uint64_t stats_latency_us(const struct stats *stats, double percent);

/** Upper limit in us of a bucket of the histogram. */
uint64_t stats_bucket_limit_us(int bucket);

/** Visits per second over the last full STATS_RATE_SECONDS. */
double stats_rate(const struct stats *stats, uint64_t now_ms);

#endif
