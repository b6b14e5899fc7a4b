/* SPDX-License-Identifier: MIT */
/** lane: a lane, one way of a site's visits to the store. A part of the engine: see site.h. */
#ifndef VISITCOUNTD_COUNT_LANE_H
#define VISITCOUNTD_COUNT_LANE_H

#include "count/site.h"

/** Initialises a lane of `site` and appends it to the site's lanes. */
void lane_init(struct lane *lane, struct site *site);

/** Ends a lane that has no visits left. Frees it unless it is the live one. */
void lane_finish(struct lane *lane);

/**
 * Records that a visit comes to a lane. Begins a new epoch after a long time without visits: the
 * store may have forgotten the old epoch, and that would look like a loss.
 */
static inline void lane_use(struct lane *lane, uint64_t now_ms)
{
    if (now_ms - lane->used_at_ms > lane->site->engine->options.ledger_ttl_ms / 2) {
        session_renew(&lane->session);
    }
    lane->used_at_ms = now_ms;
}

/**
 * Returns the lane of an epoch that the journal names. Creates it for an epoch of an earlier run.
 */
struct lane *lane_find_or_create(struct site *site, const char *epoch);

/** Answers the visits of the site that have timed out by `patience_ms`, as refused or unknown. */
void lane_expire_visits(struct site *site, uint64_t patience_ms);

/**
 * Answers all visits of a torn site as refused or unknown. Visits that were not sent are certainly
 * not counted.
 */
void lane_refuse_torn_visits(struct site *site);

#endif
