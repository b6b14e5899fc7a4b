/* SPDX-License-Identifier: MIT */
#include "count/lane.h"

#include "base/alloc.h"
#include "count/failing.h"
#include "count/sending.h"

#include <stdlib.h>
#include <string.h>

void lane_init(struct lane *lane, struct site *site)
{
    list_init(&lane->queue);
    sending_init_lane(lane);
    lane->site = site;
    flow_init(&lane->flow, site->engine->store, site->node.key, site->engine->flow_events);
    lane->flow.known = &site->engine->known;
    lane->flow.old_version = &site->old_version;
    lane->is_blind = !site->knows_generation;
    if (site->generation != 0) {
        flow_begin_generation(&lane->flow, site->generation);
    }
    list_append(&site->lanes, &lane->link);
}

/* the journal is closed by now, or has no entry of these */
static void free_shelters(struct lane *lane)
{
    list_for_each(link, &lane->flow.batches) {
        free(container_of(link, struct batch, link)->shelter);
    }
}

void lane_finish(struct lane *lane)
{
    sending_finish_lane(lane);
    list_remove(&lane->link);
    free_shelters(lane);
    failing_forget(lane);
    flow_finish(&lane->flow);
    if (lane != &lane->site->live) {
        free(lane);
    }
}

void lane_use(struct lane *lane, uint64_t now_ms)
{
    if (now_ms - lane->used_at_ms > lane->site->engine->options.ledger_ttl_ms / 2) {
        flow_renew(&lane->flow);
    }
    lane->used_at_ms = now_ms;
}

struct lane *lane_find_or_create(struct site *site, const char *epoch)
{
    struct lane *lane;

    list_for_each(link, &site->lanes) {
        lane = lane_in_site(link);
        if (strcmp(lane->flow.ledger.epoch, epoch) == 0) {
            return lane;
        }
    }
    lane = alloc_zero(1, sizeof(*lane));
    lane_init(lane, site);
    lane->is_blind = false;
    ledger_continue(&lane->flow.ledger, epoch);
    return lane;
}
