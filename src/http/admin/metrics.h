/* SPDX-License-Identifier: MIT */
/**
 * metrics: writes the metrics of an instance in Prometheus's text format 0.0.4, in base units
 * (seconds, bytes). Clients cannot choose the values of any label.
 *
 * Counters start at zero with the process. All are read in one turn of the loop, so they agree with
 * each other.
 */
#ifndef VISITCOUNTD_HTTP_METRICS_H
#define VISITCOUNTD_HTTP_METRICS_H

#include "base/buf.h"
#include "journal/journal.h"
#include "count/stats.h"
#include "http/routes/password_guard.h"
#include "http/visit/fullness.h"
#include "http/visit/novelty.h"
#include "http/visit/visit_tally.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/** The resources that the process uses, from /proc/self. An unavailable number is 0. */
struct metrics_process {
    uint64_t start_time_ms; /* since 1970-01-01T00:00:00Z */
    uint64_t cpu_us;        /* user and system */
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
};

struct metrics_facts {
    const char *version; /* version of the daemon */
    const struct stats *stats;
    const struct store_health *store;
    uint64_t failing_ms; /* how long the store has rejected a site's batches; 0: it takes all */
    uint64_t failing_sites;
    uint64_t torn_sites;
    uint64_t unproven_sites;  /* sites that an instance older than 0.2 may still write to */
    uint64_t site_failing_ms; /* how long the store has refused to admit unlisted sites */
    uint64_t salt_failing_ms; /* how long the store has refused the day's salt */
    const struct journal_status *journal; /* or NULL */
    struct metrics_process process;
    bool is_draining;
    uint64_t open_connections;
    uint64_t accepted_connections;
    uint64_t live_clients; /* clients of live streams */
    const struct novelty_stats *novelty;
    const struct visit_tallies *tallies;
    const struct password_guard_stats *passwords;
    const struct fullness_view *fullness;
    uint64_t client_window_s; /* how long the store keeps an Idempotency-Key */
    uint64_t requests;
};

/** Fills `ret_process` for this process. Reads only /proc, so it never waits for a disk. */
void metrics_read_process(struct metrics_process *ret_process);

/** Appends all metrics. */
void metrics_write(const struct metrics_facts *facts, struct buf *out);

#endif
