/* SPDX-License-Identifier: MIT */
/**
 * engine_types: what the configuration says of the engine, and what status asks it.
 */
#ifndef VISITCOUNTD_COUNT_ENGINE_TYPES_H
#define VISITCOUNTD_COUNT_ENGINE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct engine_options {
    uint64_t max_wait_ms;      /* patience of a visit while the store does not answer */
    uint64_t max_waiting;      /* visits that may wait at once */
    bool has_many_sites;       /* each may take a share of these places only */
    uint64_t busy_poll_us;     /* the loop stays awake for what follows a lone visit */
    uint64_t retain_ms;        /* how long answered batches are kept to heal the store with */
    uint64_t retain_max_bytes; /* of memory, per site */
    uint64_t ledger_ttl_ms;    /* after which the store forgets an epoch that is not used */
};

/** The store is there but takes no batches of a site: where several are, of the longest so. */
struct engine_failure {
    const char *site; /* both are gone at the loop's next turn */
    const char *reason;
    uint64_t lasted_ms;
    uint64_t site_count; /* sites that fail */
    bool is_server_wide; /* the store refuses all sites now */
};

/**
 * Visits of a site of which only the operator can know whether a total has them in it; what of them
 * was sent before a repair is not sent again.
 */
struct engine_doubts {
    uint64_t unconfirmed; /* sent, and not answered */
    uint64_t retained;    /* answered, and kept to heal the store with */
    uint64_t journaled;   /* in the journal */
    uint64_t generation;  /* of the site, as far as it is known */
};

#endif
