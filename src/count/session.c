/* SPDX-License-Identifier: MIT */
#include "count/session.h"

#include "base/clock.h"
#include "base/require.h"
#include "store/store_call.h"

#include <stdlib.h>
#include <string.h>

/* an open call, with all that was sent; if the session is gone, the call owns that */
struct session_call {
    struct store_call super;
    struct batch *batch;               /* a new batch; NULL for a resend or a check */
    struct sealed_batch *sealed_batch; /* NULL for a check of the position */
    struct store_batch sent;
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
};

static struct batch *first_batch(const struct session *session)
{
    return list_is_empty(&session->batches)
               ? NULL
               : container_of(session->batches.next, struct batch, link);
}

static struct session_call *begin_call(struct session *session)
{
    struct session_call *call = store_call_create(sizeof(*call), session);

    require(session->call == NULL);
    store_call_begin(&call->super);
    memcpy(call->site, session->site, sizeof(call->site));
    memcpy(call->epoch, session->ledger.epoch, sizeof(call->epoch));
    session->call = call;
    return call;
}

/* ends a call and returns its session, or NULL if that is gone */
static struct session *end_call(struct session_call *call)
{
    struct session *session = store_call_end(&call->super);

    require(session == NULL || session->call == call);
    if (session != NULL) {
        session->call = NULL;
        store_call_release(&call->super);
    }
    return session;
}

/* takes an applied batch out; its visits are still in it, see session_finish_batch() */
static struct session_end end_batch(struct batch *batch, const struct store_applied *applied)
{
    list_remove(&batch->link);
    return (struct session_end){.result = SESSION_APPLIED,
                                .batch = batch,
                                .is_duplicate = applied->is_duplicate,
                                .is_written = !applied->is_duplicate,
                                .is_retried = batch->attempts > 1,
                                .hits = batch->sealed_batch->hits};
}

void session_finish_batch(struct session *session, struct batch *batch,
                          const struct store_applied *applied)
{
    sealed_batch_settle(batch->sealed_batch, applied->totals);
    ledger_acknowledge(&session->ledger, batch_detach_sealed_batch(batch), clock_monotonic_ms());
    batch_destroy(batch);
}

/* returns the visits of an unanswered resend that the store turns out to have */
static uint64_t settle_resend(struct session *session, struct store_position at)
{
    struct sealed_batch *resend = ledger_next_resend(&session->ledger);
    bool was_doubtful = session->is_resend_doubtful;

    session->is_resend_doubtful = false;
    if (resend == NULL || !was_doubtful || at.sequence < resend->content.sequence) {
        return 0;
    }
    resend->answered_at_ms = clock_monotonic_ms();
    return resend->hits;
}

/*
 * Records the store's position, which differs from the expected one. `reason` is NULL if the store
 * was asked for it.
 */
static struct session_end find_gap(struct session *session, struct store_position at,
                                   const char *reason)
{
    struct session_end end = {.result = SESSION_GAP,
                              .hits = settle_resend(session, at),
                              .is_surprise = reason != NULL,
                              .reason = reason};

    if (!ledger_store_is_at(&session->ledger, at, &end.gap)) {
        end.result = end.hits != 0 ? SESSION_RESENT : SESSION_CHECKED;
    }
    return end;
}

/* restarts the retention of a resent sealed_batch: a store that lost it once may lose it again */
static struct session_end finish_resend(struct session *session, struct sealed_batch *sealed_batch,
                                        const struct store_applied *applied)
{
    struct session_end end = {.result = SESSION_RESENT,
                              .is_duplicate = applied->is_duplicate,
                              .is_written = !applied->is_duplicate,
                              .hits = sealed_batch->hits};

    session->is_resend_doubtful = false;
    sealed_batch->answered_at_ms = clock_monotonic_ms();
    ledger_note_resent(&session->ledger);
    return end;
}

static void fail_batch(struct batch *batch, const struct store_applied *applied)
{
    if (applied->outcome == STORE_UNKNOWN) {
        batch->is_doubtful = true;
        batch->may_be_applied = true;
    } else if (!batch->is_doubtful) {
        /*
         * A doubtful batch stays sealed, even after a gap. The gap proves only that this copy of
         * the store lacks the batch. Another copy may come back.
         */
        batch_reopen(batch);
        if (batch_is_empty(batch)) {
            list_remove(&batch->link);
            batch_destroy(batch);
        }
    }
}

/*
 * Keeps the later of the two times: a copy of the store that went back may not know the later one.
 */
static void note_answer(struct session *session, const struct store_applied *applied)
{
    struct session_old_version *old = session->old_version;
    uint64_t until_ms =
        applied->old_version_s == 0 ? 0 : clock_monotonic_ms() + applied->old_version_s * 1000;

    if (applied->outcome == STORE_OK && old != NULL &&
        (old->until_ms == UINT64_MAX || old->until_ms < until_ms)) {
        old->until_ms = until_ms;
    }
}

static struct session_end end_refused(const struct store_applied *applied)
{
    bool is_refused = applied->outcome == STORE_REFUSED;

    return (struct session_end){.result = SESSION_FAILED,
                                .reason = applied->reason,
                                .scope = is_refused ? applied->scope : STORE_SCOPE_SITE,
                                .is_torn = is_refused && applied->is_torn};
}

static struct session_end fail(struct session *session, const struct store_applied *applied)
{
    if (applied->gap) {
        return find_gap(session, applied->at, applied->reason);
    }
    if (applied->is_outdated && applied->generation > session->ledger.generation) {
        return (struct session_end){.result = SESSION_OUTDATED,
                                    .generation = applied->generation,
                                    .reason = applied->reason};
    }
    return end_refused(applied);
}

struct session *session_end_apply(struct session_call *call, const struct store_applied *applied,
                                  struct session_end *ret_end)
{
    struct batch *batch = call->batch;
    struct sealed_batch *sealed_batch = call->sealed_batch;
    struct session *session = end_call(call);

    if (session == NULL) {
        return NULL;
    }
    note_answer(session, applied);
    if (applied->outcome == STORE_OK) {
        *ret_end = batch != NULL ? end_batch(batch, applied)
                                 : finish_resend(session, sealed_batch, applied);
        return session;
    }
    if (batch != NULL) {
        fail_batch(batch, applied);
    } else {
        session->is_resend_doubtful |= applied->outcome == STORE_UNKNOWN;
    }
    *ret_end = fail(session, applied);
    return session;
}

struct session *session_end_check(struct session_call *call, const struct store_ledger *ledger,
                                  struct session_end *ret_end)
{
    struct session *session = end_call(call);

    if (session == NULL) {
        return NULL;
    }
    if (ledger->outcome == STORE_OK) {
        session->must_check = false;
        *ret_end = find_gap(session, ledger->at, NULL);
    } else if (ledger->is_outdated && ledger->generation > session->ledger.generation) {
        *ret_end = (struct session_end){
            .result = SESSION_OUTDATED, .generation = ledger->generation, .reason = ledger->reason};
    } else {
        *ret_end = (struct session_end){.result = SESSION_FAILED,
                                        .reason = ledger->reason,
                                        .scope = ledger->scope,
                                        .is_torn = ledger->is_torn};
    }
    return session;
}

static bool may_old_version_write(const struct session *session)
{
    uint64_t until_ms = session->old_version != NULL ? session->old_version->until_ms : UINT64_MAX;

    return until_ms != 0 && (until_ms == UINT64_MAX || clock_monotonic_ms() < until_ms);
}

/*
 * Whether this version has counted on the site: the store has acknowledged a batch to this process,
 * or one of this epoch to an earlier run, which was no version before 0.2.
 */
static bool was_counted(const struct session *session)
{
    return (session->ledger.acknowledged != 0 && session->ledger.epoch[0] == 'g') ||
           (session->old_version != NULL && session->old_version->until_ms != UINT64_MAX);
}

static void send_sealed_batch(struct session *session, struct batch *batch,
                              struct sealed_batch *sealed_batch)
{
    struct session_call *call = begin_call(session);

    ledger_address(&session->ledger, sealed_batch);
    call->batch = batch;
    call->sealed_batch = sealed_batch;
    call->sent = sealed_batch->content;
    call->sent.site = call->site;
    call->sent.epoch = call->epoch;
    call->sent.finds_old_tokens = may_old_version_write(session);
    call->sent.expects_mark = was_counted(session);
    store_apply(session->store, &call->sent, session->events->on_applied, call);
}

void session_send(struct session *session)
{
    struct sealed_batch *resend = ledger_next_resend(&session->ledger);
    struct batch *batch = first_batch(session);

    if (session->call != NULL || !session_has_work(session)) {
        return;
    }
    if (session->must_check) {
        struct session_call *call = begin_call(session);

        store_ledger(session->store, call->site, call->epoch, session->events->on_ledger, call);
    } else if (resend != NULL) {
        send_sealed_batch(session, NULL, resend);
    } else {
        send_sealed_batch(session, batch, batch_seal(batch));
    }
}

bool session_may_resend(const struct session *session)
{
    return session->must_check || ledger_next_resend(&session->ledger) != NULL;
}

bool session_has_work(const struct session *session)
{
    return session_may_resend(session) || !list_is_empty(&session->batches);
}

bool session_is_busy(const struct session *session)
{
    return session->call != NULL;
}

void session_require_check(struct session *session)
{
    /* without retained sealed batches nothing can be resent, and the next batch finds a gap anyway
     */
    if (!list_is_empty(&session->ledger.retained)) {
        session->must_check = true;
    }
}

void session_renew(struct session *session)
{
    const struct batch *batch = first_batch(session);

    if (session->call == NULL && !session->must_check && list_is_empty(&session->ledger.retained) &&
        (batch == NULL || !batch->is_sealed)) {
        ledger_renew(&session->ledger);
    }
}

uint64_t session_retained_visits(const struct session *session)
{
    uint64_t visits = 0;

    list_for_each(link, &session->ledger.retained) {
        visits += container_of(link, struct sealed_batch, link)->hits;
    }
    return visits;
}

void session_begin_generation(struct session *session, uint64_t generation)
{
    const struct sealed_batch *before = NULL;

    require(session->call == NULL);
    ledger_begin_generation(&session->ledger, generation);
    session->must_check = false;
    session->is_resend_doubtful = false;
    list_for_each(link, &session->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        if (batch->is_sealed) {
            ledger_fix(&session->ledger, before, batch->sealed_batch);
            before = batch->sealed_batch;
        }
    }
}

void session_add(struct session *session, const char *page, size_t page_length, struct visit *visit)
{
    struct batch *last = container_of(session->batches.prev, struct batch, link);

    if (list_is_empty(&session->batches) || !batch_takes(last, visit->second, visit->day)) {
        last = batch_create(visit->second, visit->day);
        last->known = session->known;
        list_append(&session->batches, &last->link);
    }
    batch_add(last, page, page_length, visit);
}

struct batch *session_first_sealed(const struct session *session)
{
    struct batch *batch = first_batch(session);

    return batch != NULL && batch->is_sealed ? batch : NULL;
}

bool session_is_overdue(const struct session *session, uint64_t now_ms)
{
    list_for_each(link, &session->batches) {
        if (batch_is_overdue(container_of(link, struct batch, link), now_ms)) {
            return true;
        }
    }
    return false;
}

void session_move_open(struct session *session, struct session *to)
{
    struct list *link = session->batches.next;

    require(to != session);
    while (link != &session->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        if (!batch->is_sealed) {
            list_remove(&batch->link);
            list_append(&to->batches, &batch->link);
        }
    }
}

void session_seal(struct session *session, struct batch *batch)
{
    struct sealed_batch *before = NULL;

    if (batch->link.prev != &session->batches) {
        before = container_of(batch->link.prev, struct batch, link)->sealed_batch;
        require(before != NULL);
    }
    ledger_fix(&session->ledger, before, batch_seal(batch));
    batch->is_doubtful = true; /* never reopened: its sequence is in the journal */
}

void session_expire(struct session *session, uint64_t now_ms, struct list *refused,
                    struct list *unknown)
{
    struct list *link = session->batches.next;

    while (link != &session->batches) {
        struct batch *batch = container_of(link, struct batch, link);

        link = link->next;
        batch_expire(batch, now_ms, batch->is_sealed ? unknown : refused);
        if (batch_is_empty(batch)) {
            list_remove(&batch->link);
            batch_destroy(batch);
        }
    }
}

void session_init(struct session *session, struct store *store, const char *site,
                  const struct session_events *events)
{
    require(events != NULL);
    require(strlen(site) <= STORE_SITE_MAX);
    memset(session, 0, sizeof(*session));
    session->store = store;
    session->events = events;
    list_init(&session->batches);
    ledger_init(&session->ledger);
    strncpy(session->site, site, STORE_SITE_MAX);
}

static void destroy_sent(struct store_call *super)
{
    struct session_call *call = container_of(super, struct session_call, super);

    if (call->batch != NULL) {
        batch_destroy(call->batch);
    } else {
        sealed_batch_destroy(call->sealed_batch);
    }
}

/* passes what was sent to the open call */
static void cancel_call(struct session *session)
{
    struct session_call *call = session->call;

    if (call == NULL) {
        return;
    }
    if (call->batch != NULL) {
        list_remove(&call->batch->link);
    } else if (call->sealed_batch != NULL) {
        list_remove(&call->sealed_batch->link);
    }
    store_call_set_on_free(&call->super, destroy_sent);
    store_call_release(&call->super);
}

void session_finish(struct session *session)
{
    struct batch *batch;

    cancel_call(session);
    while ((batch = first_batch(session)) != NULL) {
        list_remove(&batch->link);
        batch_destroy(batch);
    }
    ledger_finish(&session->ledger);
}
