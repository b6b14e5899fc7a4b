/* SPDX-License-Identifier: MIT */
#include "count/leg.h"

#include "base/clock.h"
#include "base/log.h"
#include "count/failing.h"
#include "count/healing.h"
#include "count/outage.h"
#include "count/outdated.h"
#include "count/sending.h"
#include "count/waiting.h"

#include <stdlib.h>

static struct leg *leg_of(struct flow *flow)
{
    return container_of(flow, struct leg, flow);
}

/* --- what becomes of what is sent --- */

static void on_counted(struct flow *flow, struct visit *visit, const struct visit_answer *answer)
{
    waiting_answer(leg_of(flow)->site->engine, visit, answer);
}

static void note_visitors(struct engine *engine, const struct batch *batch,
                          const struct store_applied *applied)
{
    const struct store_batch *content = &batch->parcel->content;

    for (size_t i = 0; i < content->visitor_count; i++) {
        const struct store_visitor *visitor = &content->visitors[i];
        const struct store_entry *entry = &content->entries[visitor->entry];

        if (applied->totals[visitor->entry] != STORE_NONE) {
            known_visitors_note(&engine->known, visitor->hash,
                                map_hash_key(entry->page, entry->page_length));
        }
    }
}

static void on_applied(struct flow *flow, struct batch *batch, const struct store_applied *applied)
{
    note_visitors(leg_of(flow)->site->engine, batch, applied);
    outage_note_applied(leg_of(flow), batch, applied);
}

static void note_success(struct leg *leg, const struct flow_end *end)
{
    struct engine *engine = leg->site->engine;

    if (end->result != FLOW_CHECKED || !flow_has_work(&leg->flow)) {
        failing_end(leg);
    }
    backoff_reset(&engine->backoff);
    engine->failing_since_ms = 0;
    engine->stats.duplicates += end->is_duplicate ? 1 : 0;
    engine->stats.resent += end->is_resent ? 1 : 0;
    if (end->result == FLOW_APPLIED) {
        engine->stats.batches++;
    } else if (end->result == FLOW_HEALED) {
        engine->stats.healed += end->hits;
    }
}

static void note_failure(struct leg *leg, const char *reason)
{
    if (leg->site->engine->failing_since_ms == 0) {
        leg->site->engine->failing_since_ms = clock_monotonic_ms();
    }
    log_debug("store: site %s: %s", leg->flow.site, reason);
    failing_note(leg, reason);
}

static void on_end(struct flow *flow, const struct flow_end *end)
{
    struct leg *leg = leg_of(flow);

    if (end->result != FLOW_FAILED && end->result != FLOW_OUTDATED) {
        leg->is_blind = false;
        leg->site->knows_generation = true;
    }
    if (end->result == FLOW_FAILED) {
        note_failure(leg, end->reason);
    } else if (end->result == FLOW_OUTDATED) {
        outdated_learn(leg, end->generation);
    } else if (end->result == FLOW_GAP) {
        healing_note_gap(leg, &end->gap);
        if (end->is_surprise) {
            healing_distrust_elsewhere(leg);
        }
    } else {
        note_success(leg, end);
    }
    if (end->result == FLOW_HEALED && ledger_to_heal(&flow->ledger) == NULL) {
        log_info("store: site %s: healed; %llu visits were sent again since the start", flow->site,
                 (unsigned long long)leg->site->engine->stats.healed);
    }
    if (!flow_has_work(flow)) {
        return;
    }
    if (end->result == FLOW_FAILED) {
        sending_let_rest(leg);
    } else {
        sending_make_ready(leg);
    }
}

static const struct flow_events flow_events = {on_counted, on_applied, on_end};

/* --- the leg itself --- */

void leg_init(struct leg *leg, struct site *site)
{
    list_init(&leg->queue);
    leg->site = site;
    flow_init(&leg->flow, site->engine->store, site->node.key, &flow_events);
    leg->flow.known = &site->engine->known;
    leg->flow.old_version = &site->old_version;
    leg->is_blind = !site->knows_generation;
    if (site->generation != 0) {
        flow_begin_generation(&leg->flow, site->generation);
    }
    list_append(&site->legs, &leg->link);
}

void leg_finish(struct leg *leg)
{
    list_remove(&leg->queue);
    list_remove(&leg->link);
    outage_forget_leg(leg);
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
