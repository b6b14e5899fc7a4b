/* SPDX-License-Identifier: MIT */
#include "count/outcome.h"

#include "base/log.h"
#include "base/require.h"
#include "count/resend.h"
#include "count/outdated.h"

static struct lane *lane_of(struct session *session)
{
    return container_of(session, struct lane, session);
}

static struct outcome *outcome_of(struct session *session)
{
    return container_of(session->events, struct outcome, events);
}

static void note_visitors(struct known_visitors *known, const struct batch *batch,
                          const struct store_applied *applied)
{
    const struct store_batch *content = &batch->sealed_batch->content;

    for (size_t i = 0; i < content->visitor_count; i++) {
        const struct store_visitor *visitor = &content->visitors[i];
        const struct store_entry *entry = &content->entries[visitor->entry];

        if (applied->totals[visitor->entry] != STORE_NONE) {
            known_visitors_note(known, visitor->hash,
                                map_hash_key(entry->page, entry->page_length));
        }
    }
}

/* hands the numbers out, and tells the parts that the store has the batch */
static void finish_batch(struct outcome *outcome, struct lane *lane, struct batch *batch,
                         const struct store_applied *applied)
{
    struct list answered;
    struct list *link;

    require(applied->outcome == STORE_OK);
    list_init(&answered);
    batch_answer(batch, applied, &answered);
    while ((link = list_pop_first(&answered)) != NULL) {
        struct visit *visit = container_of(link, struct visit, link);
        struct visit_answer answer = visit->answer; /* the visit may be gone before the end */

        waiting_visits_answer(&lane->site->visits, visit, &answer);
    }
    note_visitors(outcome->parts->known, batch, applied);
    spill_note_applied(outcome->spill, lane, batch, applied);
    session_finish_batch(&lane->session, batch, applied);
}

static void note_success(const struct site_parts *parts, struct lane *lane,
                         const struct session_end *end)
{
    struct stats *stats = parts->stats;
    bool is_applied = end->result != SESSION_CHECKED;
    bool is_refusing = breaker_is_refusing(parts->breaker);

    if (is_applied || !session_has_work(&lane->session)) {
        stall_end(&lane->stall);
    }
    if (is_applied) {
        breaker_note_applied(&lane->breaker, end->is_written);
    }
    if (is_refusing && !breaker_is_refusing(parts->breaker)) {
        stall_end_for_all(parts->stalls);
    }
    stats->duplicate_batches += end->is_duplicate ? 1 : 0;
    stats->retried += end->is_retried ? 1 : 0;
    if (end->result == SESSION_APPLIED) {
        stats->batches++;
    } else if (end->result == SESSION_RESENT) {
        stats->resent_visits += end->hits;
    }
}

/* a store that is away was not asked: its failure says nothing about refusals */
static void note_failure(const struct site_parts *parts, struct lane *lane,
                         const struct session_end *end)
{
    struct session_end concerned = *end;

    log_debug("store: site %s: %s", lane->session.site, end->reason);
    if (breaker_is_available(parts->breaker)) {
        concerned.scope = breaker_scope(&lane->site->breaker, end->scope);
        breaker_note_refusal(&lane->breaker, &concerned);
        stall_note(&lane->stall, &concerned);
    }
    if (end->is_torn) {
        site_refuse_torn_visits(lane->site);
    }
    dispatcher_note_refusal(&lane->dispatch, concerned.scope);
}

static void note_end(struct outcome *outcome, struct lane *lane, const struct session_end *end)
{
    struct session *session = &lane->session;

    require(!session_is_busy(session));
    if (end->result != SESSION_FAILED && end->result != SESSION_OUTDATED) {
        outdated_note_accepted(lane);
    }
    if (end->result == SESSION_FAILED) {
        note_failure(outcome->parts, lane, end);
    } else if (end->result == SESSION_OUTDATED) {
        breaker_note_applied(&lane->breaker, false); /* the site was repaired */
        outdated_learn(outcome->spill, lane, end->generation);
    } else if (end->result == SESSION_GAP) {
        resend_note_gap(lane, &end->gap);
        if (end->is_surprise) {
            resend_require_check_elsewhere(lane);
        }
    } else {
        note_success(outcome->parts, lane, end);
    }
    if (end->result == SESSION_RESENT && ledger_next_resend(&session->ledger) == NULL) {
        log_info("store: site %s: healed; %llu visits were sent again since the start",
                 session->site, (unsigned long long)outcome->parts->stats->resent_visits);
    }
    if (end->result != SESSION_FAILED) {
        dispatcher_note_success(&lane->dispatch);
    }
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct session_end end;
    struct session *session = session_end_apply(data, applied, &end);

    if (session == NULL) {
        return;
    }
    if (end.batch != NULL) {
        finish_batch(outcome_of(session), lane_of(session), end.batch, applied);
    }
    note_end(outcome_of(session), lane_of(session), &end);
}

static void on_ledger(void *data, const struct store_ledger *ledger)
{
    struct session_end end;
    struct session *session = session_end_check(data, ledger, &end);

    if (session != NULL) {
        note_end(outcome_of(session), lane_of(session), &end);
    }
}

void outcome_init(struct outcome *outcome, const struct site_parts *parts, struct spill *spill)
{
    require(parts->events == &outcome->events);
    *outcome = (struct outcome){.events = {on_applied, on_ledger}, .parts = parts, .spill = spill};
}
