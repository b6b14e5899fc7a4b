/* SPDX-License-Identifier: MIT */
/**
 * retention: how long answered batches are kept for a resend. Drops those that are old enough, and
 * the oldest ones where they take too much memory. The ledger of each lane has the batches.
 */
#ifndef VISITCOUNTD_COUNT_RETENTION_H
#define VISITCOUNTD_COUNT_RETENTION_H

#include "base/list.h"
#include "count/breaker.h"
#include "count/engine_types.h"
#include "count/session.h"
#include "count/stats.h"
#include "store/store.h"

#include <stdint.h>

/** What all lanes retain. Embedded in the engine. */
struct retention {
    struct store *store;
    const struct engine_options *options;
    const struct breaker *breaker;
    struct stats *stats;
    struct list sites;
    struct list lanes;
};

/** What a site retains. Embedded in the site. */
struct site_retention {
    struct list link; /* in the list of all sites */
    struct retention *retention;
    const struct site_breaker *breaker;
    const char *name;
    uint64_t unprotected; /* visits no longer retained for want of room, not logged yet */
    uint64_t said_at_ms;  /* when that was logged last; 0: never */
};

/** What a lane retains. Embedded in the lane. */
struct lane_retention {
    struct list link; /* in the list of all lanes */
    struct site_retention *site;
    struct session *session;
};

/** Initialises the struct. The other parts must outlive it. */
void retention_init(struct retention *retention, struct store *store,
                    const struct engine_options *options, const struct breaker *breaker,
                    struct stats *stats);

/** Ends the struct. All lanes and sites have ended. */
void retention_finish(struct retention *retention);

/** Initialises the part of a site, and ends it. `name` must outlive it. */
void retention_init_site(struct site_retention *site, struct retention *retention,
                         const struct site_breaker *breaker, const char *name);
void retention_finish_site(struct site_retention *site);

/** Initialises the part of a lane with its session, and ends it. */
void retention_init_lane(struct lane_retention *lane, struct site_retention *site,
                         struct session *session);
void retention_finish_lane(struct lane_retention *lane);

/** Memory of the batches that are retained, in bytes. */
uint64_t retention_bytes(const struct retention *retention);

/**
 * Drops the answered batches that need not or cannot be retained any longer. Logs visits that are
 * dropped for want of room, once a minute for each site. Called once a second.
 */
void retention_forget(struct retention *retention);

#endif
