/* SPDX-License-Identifier: MIT */
/** engine_types: the engine's options, and the facts that status reads from it. */
#ifndef VISITCOUNTD_COUNT_ENGINE_TYPES_H
#define VISITCOUNTD_COUNT_ENGINE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct engine_options {
    uint64_t max_wait_ms;        /* how long a visit waits for the store */
    uint64_t max_waiting;        /* limit of visits that wait at once */
    bool has_many_sites;         /* limits each site to a share of max_waiting */
    uint64_t busy_poll_us;       /* how long the loop stays awake after a lone visit */
    uint64_t retain_ms;          /* how long answered batches are kept for a resend */
    uint64_t retain_max_bytes;   /* limit of their memory, per site */
    uint64_t retain_total_bytes; /* limit of their memory, of all sites; 0: none */
    uint64_t ledger_ttl_ms;      /* the store forgets an epoch that was unused for this long */
};

/** A site whose batches a reachable store rejects: the one that has stalled for longest. */
struct engine_stall {
    const char *site; /* both strings are valid until the loop's next turn */
    const char *reason;
    uint64_t lasted_ms;
    uint64_t site_count; /* number of sites that stall */
    bool is_server_wide; /* the store refuses all sites now */
};

/**
 * Visits of a site that may or may not be in a total: only the operator can decide. Those that were
 * sent before a repair are never sent again.
 */
struct engine_doubts {
    uint64_t unconfirmed; /* sent and not answered */
    uint64_t retained;    /* answered, and kept for a resend */
    uint64_t journaled;   /* in the journal */
    uint64_t generation;  /* the latest generation of the site that is known */
};

#endif
