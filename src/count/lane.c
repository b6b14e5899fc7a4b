/* SPDX-License-Identifier: MIT */
#include "count/lane.h"

#include "base/alloc.h"
#include "count/dispatcher.h"

#include <stdlib.h>
#include <string.h>

void lane_init(struct lane *lane, struct site *site)
{
    lane->site = site;
    dispatcher_init_lane(&lane->dispatch, &site->engine->dispatcher, &lane->session);
    stall_init_lane(&lane->stall, &site->stalls, &lane->session);
    breaker_init_lane(&lane->breaker, &site->breaker, lane == &site->live);
    session_init(&lane->session, site->engine->store, site->node.key, site->engine->session_events);
    lane->session.known = &site->engine->known;
    lane->session.old_version = &site->old_version;
    lane->is_blind = !site->knows_generation;
    if (site->generation != 0) {
        session_begin_generation(&lane->session, site->generation);
    }
    list_append(&site->lanes, &lane->link);
}

/* the journal is closed by now, or has no entry of these */
static void free_spill_records(struct lane *lane)
{
    list_for_each(link, &lane->session.batches) {
        free(container_of(link, struct batch, link)->spill_record);
    }
}

void lane_finish(struct lane *lane)
{
    dispatcher_finish_lane(&lane->dispatch);
    list_remove(&lane->link);
    free_spill_records(lane);
    stall_forget(&lane->stall);
    breaker_finish_lane(&lane->breaker);
    session_finish(&lane->session);
    if (lane != &lane->site->live) {
        free(lane);
    }
}

struct lane *lane_find_or_create(struct site *site, const char *epoch)
{
    struct lane *lane;

    list_for_each(link, &site->lanes) {
        lane = lane_in_site(link);
        if (strcmp(lane->session.ledger.epoch, epoch) == 0) {
            return lane;
        }
    }
    lane = alloc_zero(1, sizeof(*lane));
    lane_init(lane, site);
    lane->is_blind = false;
    ledger_continue(&lane->session.ledger, epoch);
    return lane;
}

/* --- visits that were not answered in time --- */

static void expire(struct site *site, uint64_t patience_ms, const char *why_refused)
{
    struct list refused;
    struct list unknown;

    list_init(&refused);
    list_init(&unknown);
    list_for_each(link, &site->lanes) {
        session_expire(&lane_in_site(link)->session, patience_ms, &refused, &unknown);
    }
    waiting_visits_answer_uncounted(&site->visits, &refused, VISIT_REFUSED, why_refused);
    waiting_visits_answer_uncounted(&site->visits, &unknown, VISIT_UNKNOWN,
                                    "the store did not confirm the visit in time; it may have been "
                                    "counted");
}

void lane_expire_visits(struct site *site, uint64_t patience_ms)
{
    expire(site, patience_ms, "the store did not take the visit in time; it was not counted");
}

void lane_refuse_torn_visits(struct site *site)
{
    expire(site, UINT64_MAX,
           "what the store keeps of the site is damaged, and takes no visits until it is repaired; "
           "the visit was not counted");
}
