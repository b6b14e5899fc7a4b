/* SPDX-License-Identifier: MIT */
#include "count/stats.h"

#include "base/require.h"

uint64_t stats_bucket_limit_us(int bucket)
{
    int power = bucket / 4 + 1;

    require(bucket >= 0 && bucket < STATS_BUCKETS);
    if (bucket < 4) {
        return (uint64_t)bucket;
    }
    return ((uint64_t)(4 + bucket % 4 + 1) << (power - 2)) - 1;
}

uint64_t stats_latency_us(const struct stats *stats, double percent)
{
    require(percent >= 0 && percent <= 100);
    double wanted = (double)stats->latency_count * percent / 100;
    uint64_t seen = 0;

    for (int i = 0; i < STATS_BUCKETS; i++) {
        seen += stats->latency_buckets[i];
        if (seen != 0 && (double)seen >= wanted) {
            return stats_bucket_limit_us(i);
        }
    }
    return 0;
}

double stats_rate(const struct stats *stats, uint64_t now_ms)
{
    uint64_t second = now_ms / 1000;
    uint64_t visits = 0;

    for (int i = 0; i <= STATS_RATE_SECONDS; i++) {
        uint64_t age = second - stats->rate[i].second;

        /* the current second is not over yet */
        if (age >= 1 && age <= STATS_RATE_SECONDS) {
            visits += stats->rate[i].visits;
        }
    }
    return (double)visits / STATS_RATE_SECONDS;
}
