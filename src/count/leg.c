/* SPDX-License-Identifier: MIT */
#include "count/leg.h"

#include "base/alloc.h"
#include "count/failing.h"
#include "count/sending.h"

#include <stdlib.h>
#include <string.h>

void leg_init(struct leg *leg, struct site *site)
{
    list_init(&leg->queue);
    sending_init_leg(leg);
    leg->site = site;
    flow_init(&leg->flow, site->engine->store, site->node.key, site->engine->flow_events);
    leg->flow.known = &site->engine->known;
    leg->flow.old_version = &site->old_version;
    leg->is_blind = !site->knows_generation;
    if (site->generation != 0) {
        flow_begin_generation(&leg->flow, site->generation);
    }
    list_append(&site->legs, &leg->link);
}

/* the journal is closed, or has none of them */
static void free_shelters(struct leg *leg)
{
    list_for_each(link, &leg->flow.batches) {
        free(container_of(link, struct batch, link)->shelter);
    }
}

void leg_finish(struct leg *leg)
{
    sending_finish_leg(leg);
    list_remove(&leg->link);
    free_shelters(leg);
    failing_forget(leg);
    flow_finish(&leg->flow);
    if (leg != &leg->site->live) {
        free(leg);
    }
}

void leg_use(struct leg *leg, uint64_t now_ms)
{
    if (now_ms - leg->used_at_ms > leg->site->engine->options.ledger_ttl_ms / 2) {
        flow_renew(&leg->flow);
    }
    leg->used_at_ms = now_ms;
}

struct leg *leg_find_or_create(struct site *site, const char *epoch)
{
    struct leg *leg;

    list_for_each(link, &site->legs) {
        leg = leg_in_site(link);
        if (strcmp(leg->flow.ledger.epoch, epoch) == 0) {
            return leg;
        }
    }
    leg = alloc_zero(1, sizeof(*leg));
    leg_init(leg, site);
    leg->is_blind = false;
    ledger_continue(&leg->flow.ledger, epoch);
    return leg;
}
