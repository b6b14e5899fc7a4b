/* SPDX-License-Identifier: MIT */
#include "count/outcome.h"

#include "base/log.h"
#include "count/breaker.h"
#include "count/failing.h"
#include "count/healing.h"
#include "count/outage.h"
#include "count/outdated.h"
#include "count/sending.h"
#include "count/site.h"
#include "count/waiting.h"

static struct leg *leg_of(struct flow *flow)
{
    return container_of(flow, struct leg, flow);
}

static void on_counted(struct flow *flow, struct visit *visit, const struct visit_answer *answer)
{
    waiting_answer(leg_of(flow)->site, visit, answer);
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
    bool is_applied = end->result != FLOW_CHECKED;
    bool is_refusing = engine->is_refusing;

    if (is_applied || !flow_has_work(&leg->flow)) {
        failing_end(leg);
    }
    if (is_applied) {
        breaker_note_applied(leg, end->is_written);
    }
    if (is_refusing && !engine->is_refusing) {
        failing_end_for_all(engine);
    }
    engine->stats.duplicates += end->is_duplicate ? 1 : 0;
    engine->stats.resent += end->is_resent ? 1 : 0;
    if (end->result == FLOW_APPLIED) {
        engine->stats.batches++;
    } else if (end->result == FLOW_HEALED) {
        engine->stats.healed += end->hits;
    }
}

/* of a store that is away nothing is to be learned: it has not been asked */
static void note_failure(struct leg *leg, const struct flow_end *end)
{
    struct flow_end concerned = *end;

    log_debug("store: site %s: %s", leg->flow.site, end->reason);
    if (leg->site->engine->is_available) {
        concerned.scope = breaker_scope(leg, end->scope);
        breaker_note_refusal(leg, &concerned);
        failing_note(leg, &concerned);
    }
    if (end->is_torn) {
        waiting_refuse_torn(leg->site);
    }
    sending_note_refusal(leg, concerned.scope);
}

static void on_end(struct flow *flow, const struct flow_end *end)
{
    struct leg *leg = leg_of(flow);

    if (end->result != FLOW_FAILED && end->result != FLOW_OUTDATED) {
        leg->is_blind = false;
        leg->site->knows_generation = true;
    }
    if (end->result == FLOW_FAILED) {
        note_failure(leg, end);
    } else if (end->result == FLOW_OUTDATED) {
        breaker_note_applied(leg, false); /* it was repaired */
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
    if (end->result != FLOW_FAILED) {
        sending_note_success(leg);
    }
}

const struct flow_events outcome_events = {on_counted, on_applied, on_end};
