/* SPDX-License-Identifier: MIT */
/**
 * stats: the engine's counters since the start, a histogram of latencies, and the rate of the last
 * seconds.
 */
#ifndef VISITCOUNTD_COUNT_STATS_H
#define VISITCOUNTD_COUNT_STATS_H

#include <stdint.h>

/**
 * Buckets of the latency histogram: four per power of two of microseconds, so a percentile is wrong
 * by a quarter at most. The last bucket also takes all latencies above 2^27 us (134 s).
 */
#define STATS_BUCKETS 104

/** Seconds over which the rate is averaged. */
#define STATS_RATE_SECONDS 10

struct stats {
    uint64_t accepted;          /* visits that the engine admitted */
    uint64_t applied;           /* visits answered with their number */
    uint64_t duplicate_visits;  /* visits whose token was counted before */
    uint64_t journaled;         /* visits answered as journaled */
    uint64_t replayed;          /* visits that the store took from the journal */
    uint64_t refused;           /* visits answered as certainly not counted */
    uint64_t unknown;           /* visits answered as perhaps counted */
    uint64_t waiting;           /* visits without an answer yet */
    uint64_t batches;           /* batches applied */
    uint64_t retried;           /* batches sent more than once */
    uint64_t duplicate_batches; /* batches that the store already had */
    uint64_t gaps;              /* times the store turned out to have gone back in time */
    uint64_t resent_visits;     /* visits resent after a gap, which the store has again */
    uint64_t lost;              /* visits lost in a gap because they were no longer kept */
    uint64_t outdated; /* visits in doubt because their site was repaired after they were sent */

    /* visits no longer kept for a resend, for want of room */
    uint64_t unprotected;

    /* visits applied or duplicate that too few replicas confirmed in time */
    uint64_t unconfirmed;

    uint64_t latency_count;
    uint64_t latency_sum_us;
    uint64_t latency_buckets[STATS_BUCKETS];
    struct {
        uint64_t second; /* on the monotonic clock */
        uint64_t visits;
    } rate[STATS_RATE_SECONDS + 1];
};

/** Adds `visits` that were answered at `now_ms` of the monotonic clock. */
static inline void stats_add_applied(struct stats *stats, uint64_t visits, uint64_t now_ms)
{
    uint64_t second = now_ms / 1000;
    uint64_t slot = second % (STATS_RATE_SECONDS + 1);

    stats->applied += visits;
    if (stats->rate[slot].second != second) {
        stats->rate[slot].second = second;
        stats->rate[slot].visits = 0;
    }
    stats->rate[slot].visits += visits;
}

/** Four buckets per power of two: the two bits behind the leading bit select one of them */
static inline int stats_bucket(uint64_t latency_us)
{
    int power;
    int bucket;

    if (latency_us < 4) {
        return (int)latency_us;
    }
    power = 63 - __builtin_clzll(latency_us);
    bucket = 4 * (power - 1) + (int)((latency_us >> (power - 2)) & 3);
    return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

/** Adds the latency of one visit, from its arrival to its answer. */
static inline void stats_add_latency(struct stats *stats, uint64_t latency_us)
{
    stats->latency_count++;
    stats->latency_sum_us += latency_us;
    stats->latency_buckets[stats_bucket(latency_us)]++;
}

/**
 * Returns the latency in us that `percent` (0-100) of the visits did not exceed; 0 without visits.
 */
uint64_t stats_latency_us(const struct stats *stats, double percent);

/** Returns the upper limit of a bucket of the histogram, in us. */
uint64_t stats_bucket_limit_us(int bucket);

/** Returns the visits per second over the last STATS_RATE_SECONDS full seconds. */
double stats_rate(const struct stats *stats, uint64_t now_ms);

#endif
