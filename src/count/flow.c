/* SPDX-License-Identifier: MIT */
#include "count/flow.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* an open call; it outlives the flow when the store answers late, with all that was sent */
struct flow_call {
    struct flow *flow;     /* NULL when the flow is gone: then the call owns the rest */
    struct batch *batch;   /* a new batch; NULL when a parcel is healed or the store is asked */
    struct parcel *parcel; /* NULL when the store is asked */
    struct store_batch sent;
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
};

static struct batch *first_batch(const struct flow *flow)
{
    return list_is_empty(&flow->batches) ? NULL
                                         : container_of(flow->batches.next, struct batch, link);
}

static struct flow_call *begin_call(struct flow *flow)
{
    struct flow_call *call = alloc_zero(1, sizeof(*call));

    call->flow = flow;
    memcpy(call->site, flow->site, sizeof(call->site));
    memcpy(call->epoch, flow->ledger.epoch, sizeof(call->epoch));
    flow->call = call;
    return call;
}

/* the flow of a call that has ended, or NULL with all of it freed */
static struct flow *end_call(struct flow_call *call)
{
    struct flow *flow = call->flow;

    if (flow != NULL) {
        flow->call = NULL;
    } else if (call->batch != NULL) {
        batch_destroy(call->batch);
    } else {
        parcel_destroy(call->parcel);
    }
    free(call);
    return flow;
}

static void end_with(struct flow *flow, struct flow_end end)
{
    flow->events->on_end(flow, &end);
}

static void on_visit(void *data, struct visit *visit, const struct visit_answer *answer)
{
    struct flow *flow = data;

    flow->events->on_counted(flow, visit, answer);
}

static void finish_batch(struct flow *flow, struct batch *batch,
                         const struct store_applied *applied)
{
    struct flow_end end = {.result = FLOW_APPLIED,
                           .is_duplicate = applied->duplicate,
                           .is_written = !applied->duplicate,
                           .is_resent = batch->attempts > 1,
                           .hits = batch->parcel->hits};

    list_remove(&batch->link);
    batch_answer(batch, applied, on_visit, flow);
    flow->events->on_applied(flow, batch, applied);
    parcel_settle(batch->parcel, applied->totals);
    ledger_acknowledge(&flow->ledger, batch_take_parcel(batch), clock_monotonic_ms());
    batch_destroy(batch);
    end_with(flow, end);
}

/* visits that were sent again without an answer, and that the store turns out to have */
static uint64_t settle_heal(struct flow *flow, struct store_position at)
{
    struct parcel *heal = ledger_to_heal(&flow->ledger);
    bool was_doubtful = flow->is_heal_doubtful;

    flow->is_heal_doubtful = false;
    if (heal == NULL || !was_doubtful || at.sequence < heal->content.sequence) {
        return 0;
    }
    heal->answered_at_ms = clock_monotonic_ms();
    return heal->hits;
}

/*
 * The store is not where it was thought to be: from here on it is known where it is. `reason` is
 * NULL where it had been asked.
 */
static void find_gap(struct flow *flow, struct store_position at, const char *reason)
{
    struct flow_end end = {.result = FLOW_GAP,
                           .hits = settle_heal(flow, at),
                           .is_surprise = reason != NULL,
                           .reason = reason};

    if (!ledger_store_is_at(&flow->ledger, at, &end.gap)) {
        end.result = end.hits != 0 ? FLOW_HEALED : FLOW_CHECKED;
    }
    end_with(flow, end);
}

/* kept as if it had been answered now: a store that lost it once may lose it again */
static void finish_heal(struct flow *flow, struct parcel *parcel,
                        const struct store_applied *applied)
{
    struct flow_end end = {.result = FLOW_HEALED,
                           .is_duplicate = applied->duplicate,
                           .is_written = !applied->duplicate,
                           .hits = parcel->hits};

    flow->is_heal_doubtful = false;
    parcel->answered_at_ms = clock_monotonic_ms();
    ledger_healed(&flow->ledger);
    end_with(flow, end);
}

static void fail_batch(struct batch *batch, const struct store_applied *applied)
{
    if (applied->outcome == STORE_UNKNOWN) {
        batch->is_doubtful = true;
        batch->may_be_applied = true;
    } else if (!batch->is_doubtful) {
        /*
         * A doubtful batch stays as it is, also after a gap: that proves only that this copy of the
         * store lacks it, and another copy may come back.
         */
        batch_thaw(batch);
        if (batch_is_empty(batch)) {
            list_remove(&batch->link);
            batch_destroy(batch);
        }
    }
}

/* A copy of the store that went back may not know of what was told before: the later time counts.
 */
static void note_answer(struct flow *flow, const struct store_applied *applied)
{
    struct flow_old_version *old = flow->old_version;
    uint64_t until_ms =
        applied->old_version_s == 0 ? 0 : clock_monotonic_ms() + applied->old_version_s * 1000;

    if (applied->outcome == STORE_OK && old != NULL &&
        (old->until_ms == UINT64_MAX || old->until_ms < until_ms)) {
        old->until_ms = until_ms;
    }
}

static void end_refused(struct flow *flow, const struct store_applied *applied)
{
    bool is_refused = applied->outcome == STORE_REFUSED;

    end_with(flow, (struct flow_end){.result = FLOW_FAILED,
                                     .reason = applied->reason,
                                     .scope = is_refused ? applied->scope : STORE_SCOPE_SITE,
                                     .is_torn = is_refused && applied->is_torn});
}

static void fail(struct flow *flow, const struct store_applied *applied)
{
    if (applied->gap) {
        find_gap(flow, applied->at, applied->reason);
    } else if (applied->is_outdated && applied->generation > flow->ledger.generation) {
        end_with(flow, (struct flow_end){.result = FLOW_OUTDATED,
                                         .generation = applied->generation,
                                         .reason = applied->reason});
    } else {
        end_refused(flow, applied);
    }
}

static void on_applied(void *data, const struct store_applied *applied)
{
    struct flow_call *call = data;
    struct batch *batch = call->batch;
    struct parcel *parcel = call->parcel;
    struct flow *flow = end_call(call);

    if (flow == NULL) {
        return;
    }
    note_answer(flow, applied);
    if (applied->outcome == STORE_OK && batch != NULL) {
        finish_batch(flow, batch, applied);
        return;
    }
    if (applied->outcome == STORE_OK) {
        finish_heal(flow, parcel, applied);
        return;
    }
    if (batch != NULL) {
        fail_batch(batch, applied);
    } else {
        flow->is_heal_doubtful |= applied->outcome == STORE_UNKNOWN;
    }
    fail(flow, applied);
}

static void on_ledger(void *data, const struct store_ledger *ledger)
{
    struct flow *flow = end_call(data);

    if (flow == NULL) {
        return;
    }
    if (ledger->outcome == STORE_OK) {
        flow->must_check = false;
        find_gap(flow, ledger->at, NULL);
    } else if (ledger->is_outdated && ledger->generation > flow->ledger.generation) {
        end_with(flow, (struct flow_end){.result = FLOW_OUTDATED,
                                         .generation = ledger->generation,
                                         .reason = ledger->reason});
    } else {
        end_with(flow, (struct flow_end){.result = FLOW_FAILED,
                                         .reason = ledger->reason,
                                         .scope = ledger->scope,
                                         .is_torn = ledger->is_torn});
    }
}

static bool may_old_version_write(const struct flow *flow)
{
    uint64_t until_ms = flow->old_version != NULL ? flow->old_version->until_ms : UINT64_MAX;

    return until_ms != 0 && (until_ms == UINT64_MAX || clock_monotonic_ms() < until_ms);
}

static void send_parcel(struct flow *flow, struct batch *batch, struct parcel *parcel)
{
    struct flow_call *call = begin_call(flow);

    ledger_address(&flow->ledger, parcel);
    call->batch = batch;
    call->parcel = parcel;
    call->sent = parcel->content;
    call->sent.site = call->site;
    call->sent.epoch = call->epoch;
    call->sent.finds_old_tokens = may_old_version_write(flow);
    store_apply(flow->store, &call->sent, on_applied, call);
}

void flow_send(struct flow *flow)
{
    struct parcel *heal = ledger_to_heal(&flow->ledger);
    struct batch *batch = first_batch(flow);

    if (flow->call != NULL || !flow_has_work(flow)) {
        return;
    }
    if (flow->must_check) {
        struct flow_call *call = begin_call(flow);

        store_ledger(flow->store, call->site, call->epoch, on_ledger, call);
    } else if (heal != NULL) {
        send_parcel(flow, NULL, heal);
    } else {
        send_parcel(flow, batch, batch_freeze(batch));
    }
}

bool flow_may_heal(const struct flow *flow)
{
    return flow->must_check || ledger_to_heal(&flow->ledger) != NULL;
}

bool flow_has_work(const struct flow *flow)
{
    return flow_may_heal(flow) || !list_is_empty(&flow->batches);
}

bool flow_is_busy(const struct flow *flow)
{
    return flow->call != NULL;
}

void flow_distrust(struct flow *flow)
{
    /* without retained parcels there is nothing to heal with: the next batch finds out as well */
    if (!list_is_empty(&flow->ledger.retained)) {
        flow->must_check = true;
    }
}

void flow_renew(struct flow *flow)
{
    const struct batch *batch = first_batch(flow);

    if (flow->call == NULL && !flow->must_check && list_is_empty(&flow->ledger.retained) &&
        (batch == NULL || !batch->is_frozen)) {
        ledger_renew(&flow->ledger);
    }
}

uint64_t flow_retained_visits(const struct flow *flow)
{
    uint64_t visits = 0;

    list_for_each(link, &flow->ledger.retained) {
        visits += container_of(link, struct parcel, link)->hits;
    }
    return visits;
}

void flow_begin_generation(struct flow *flow, uint64_t generation)
{
    const struct parcel *before = NULL;

    ledger_begin_generation(&flow->ledger, generation);
    flow->must_check = false;
    flow->is_heal_doubtful = false;
    list_for_each(link, &flow->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        if (batch->is_frozen) {
            ledger_fix(&flow->ledger, before, batch->parcel);
            before = batch->parcel;
        }
    }
}

void flow_add(struct flow *flow, const char *page, size_t page_length, struct visit *visit)
{
    struct batch *last = container_of(flow->batches.prev, struct batch, link);

    if (list_is_empty(&flow->batches) || !batch_takes(last, visit->second, visit->day)) {
        last = batch_create(visit->second, visit->day);
        last->known = flow->known;
        list_append(&flow->batches, &last->link);
    }
    batch_add(last, page, page_length, visit);
}

struct batch *flow_first_frozen(const struct flow *flow)
{
    struct batch *batch = first_batch(flow);

    return batch != NULL && batch->is_frozen ? batch : NULL;
}

bool flow_is_overdue(const struct flow *flow, uint64_t now_ms)
{
    list_for_each(link, &flow->batches) {
        if (batch_is_overdue(container_of(link, struct batch, link), now_ms)) {
            return true;
        }
    }
    return false;
}

void flow_move_open(struct flow *flow, struct flow *to)
{
    struct list *link = flow->batches.next;

    while (link != &flow->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        if (!batch->is_frozen) {
            list_remove(&batch->link);
            list_append(&to->batches, &batch->link);
        }
    }
}

void flow_freeze(struct flow *flow, struct batch *batch)
{
    struct parcel *before = NULL;

    if (batch->link.prev != &flow->batches) {
        before = container_of(batch->link.prev, struct batch, link)->parcel;
    }
    ledger_fix(&flow->ledger, before, batch_freeze(batch));
    batch->is_doubtful = true; /* its number stands in the journal: never thawed */
}

void flow_expire(struct flow *flow, uint64_t now_ms, struct list *refused, struct list *unknown)
{
    struct list *link = flow->batches.next;

    while (link != &flow->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        batch_expire(batch, now_ms, batch->is_frozen ? unknown : refused);
        if (batch_is_empty(batch)) {
            list_remove(&batch->link);
            batch_destroy(batch);
        }
    }
}

void flow_init(struct flow *flow, struct store *store, const char *site,
               const struct flow_events *events)
{
    memset(flow, 0, sizeof(*flow));
    flow->store = store;
    flow->events = events;
    list_init(&flow->batches);
    ledger_init(&flow->ledger);
    strncpy(flow->site, site, STORE_SITE_MAX);
}

/* leaves an open call what it has sent */
static void orphan_call(struct flow *flow)
{
    struct flow_call *call = flow->call;

    if (call == NULL) {
        return;
    }
    call->flow = NULL;
    if (call->batch != NULL) {
        list_remove(&call->batch->link);
    } else if (call->parcel != NULL) {
        list_remove(&call->parcel->link);
    }
}

void flow_finish(struct flow *flow)
{
    struct batch *batch;

    orphan_call(flow);
    while ((batch = first_batch(flow)) != NULL) {
        list_remove(&batch->link);
        batch_destroy(batch);
    }
    ledger_finish(&flow->ledger);
}
