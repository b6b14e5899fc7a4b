/* SPDX-License-Identifier: MIT */
#include "sim_store.h"

#include "base/clock.h"
#include "oracle.h"
#include "sim_clock.h"
#include "sim_log.h"

#include <stdlib.h>
#include <string.h>

enum fate {
    FATE_DONE,
    FATE_REFUSED,
    FATE_REPLY_LOST,
    FATE_REQUEST_LOST,
    FATE_LATE, /* the caller gets `unknown`; the server executes it later */
    FATE_TWICE /* executed and answered, and executed again later */
};

/* how old the instance's knowledge of the replicas may be */
#define REPLICAS_ASKED_MS 1000

struct call {
    struct list link;
    struct sim_request *request; /* NULL once it was executed or lost */
    store_on_applied on_applied;
    store_on_ledger on_ledger; /* exactly one of the two callbacks is set */
    void *data;
    char epoch[STORE_EPOCH_LENGTH + 1];
    unsigned site; /* a bit */
    enum fate fate;
    uint64_t answer_at_ms;
    uint64_t executed_at_ms;
    struct sim_answer *answer; /* set once the call was executed */
    struct store_applied applied;
    struct store_ledger ledger;
};

struct sim_store {
    struct store store;
    struct sim_node *node;
    size_t instance;
    bool available;
    bool refuses;
    enum sim_version version;
    unsigned has_counted; /* bits: sites that have counted a batch, as an answer said */
    unsigned knows_old;   /* bits: sites that an older version writes to, as an answer said */
    struct sim_store_weather weather;
    struct sim_heed heed;
    uint64_t asked_at_ms; /* when it last asked how far the replicas are; 0: not yet */
    uint64_t replicated_before_ms;
    struct list calls; /* open */
    struct list late;  /* requests of calls that have ended */
};

static struct sim_store *sim_of(struct store *store)
{
    return container_of(store, struct sim_store, store);
}

static struct call *call_of(struct list *link)
{
    return container_of(link, struct call, link);
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- calls --- */

static enum fate draw_fate(const struct sim_store *store)
{
    const struct sim_store_weather *weather = &store->weather;

    if (store->refuses || sim_chance(weather->refused)) {
        return FATE_REFUSED;
    }
    if (sim_chance(weather->reply_lost)) {
        return FATE_REPLY_LOST;
    }
    if (sim_chance(weather->request_lost)) {
        return FATE_REQUEST_LOST;
    }
    if (sim_chance(weather->late)) {
        return FATE_LATE;
    }
    return sim_chance(weather->twice) ? FATE_TWICE : FATE_DONE;
}

static struct call *add_call(struct sim_store *store, const struct store_batch *batch, void *data)
{
    static const char *const names[] = {"done",         "refused", "reply lost",
                                        "request lost", "late",    "twice"};
    const struct sim_store_weather *weather = &store->weather;
    struct call *call = allocate(sizeof(*call));

    call->request = sim_request_create(store->node, batch);
    call->request->version = store->version;
    call->request->has_counted = (store->has_counted & 1U << sim_site_number(batch->site)) != 0;
    call->request->at_ms += sim_draw_skewed(0, weather->latency_ms) / 2;
    call->data = data;
    call->fate = draw_fate(store);
    strcpy(call->epoch, batch->epoch);
    call->site = 1U << sim_site_number(batch->site);
    call->answer_at_ms = clock_monotonic_ms();
    if (call->fate == FATE_DONE || call->fate == FATE_REFUSED || call->fate == FATE_TWICE) {
        call->answer_at_ms = call->request->at_ms + sim_draw_skewed(0, weather->latency_ms) / 2;
    } else {
        call->answer_at_ms += weather->timeout_ms / 2 + sim_draw(weather->timeout_ms / 2 + 1);
    }
    list_append(&store->calls, &call->link);
    sim_say("instance %zu %s %llu of %s (%.12s): %s", store->instance,
            batch->entry_count != 0 ? "sends batch" : "asks for the ledger",
            (unsigned long long)batch->sequence, batch->site, batch->epoch, names[call->fate]);
    return call;
}

static void check_batch(const struct sim_store *store, const struct store_batch *batch)
{
    uint64_t hits = 0;

    list_for_each(link, &store->calls) {
        if (call_of(link)->on_applied != NULL && strcmp(call_of(link)->epoch, batch->epoch) == 0) {
            oracle_accuse("instance %zu: two batches of an epoch at once", store->instance);
        }
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        hits += batch->entries[i].hits;
    }
    if (batch->entry_count == 0 || (hits == 0 && batch->pages_max != 0) ||
        batch->follows >= batch->sequence || batch->visits < hits) {
        oracle_accuse("instance %zu: batch %llu is no batch", store->instance,
                      (unsigned long long)batch->sequence);
    }
}

static void apply(struct store *base, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    check_batch(sim_of(base), batch);
    add_call(sim_of(base), batch, data)->on_applied = on_applied;
}

static void ledger(struct store *base, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data)
{
    struct store_batch batch = {.site = site, .epoch = epoch};

    add_call(sim_of(base), &batch, data)->on_ledger = on_ledger;
}

static void execute(struct sim_store *store, struct call *call)
{
    struct sim_request *request = call->request;

    call->request = NULL;
    if (call->fate == FATE_REQUEST_LOST || call->fate == FATE_REFUSED) {
        sim_request_destroy(request);
    } else if (call->on_ledger != NULL) {
        call->executed_at_ms = clock_monotonic_ms();
        sim_request_read(request, &call->ledger);
        sim_request_destroy(request);
    } else {
        call->answer = malloc(sizeof(*call->answer)); /* large; written before it is read */
        if (call->answer == NULL) {
            abort();
        }
        call->executed_at_ms = clock_monotonic_ms();
        sim_request_apply(request, call->answer, &call->applied);
        /* a proxy on the link repeats a request that got no answer, never one that was refused */
        sim_request_leave(request, &store->late,
                          call->fate == FATE_TWICE && call->applied.outcome == STORE_OK);
    }
}

/* records what the instance learns from an answer */
static void note_heard(struct sim_store *store, const struct call *call)
{
    bool is_batch = call->on_applied != NULL;
    enum store_outcome outcome = is_batch ? call->applied.outcome : call->ledger.outcome;
    enum store_scope scope = is_batch ? call->applied.scope : call->ledger.scope;
    unsigned sites = scope == STORE_SCOPE_SERVER ? SIM_ALL_SITES : call->site;

    if (is_batch ? outcome == STORE_OK || call->applied.is_outdated : call->ledger.is_outdated) {
        oracle_heard(store->instance, (size_t)__builtin_ctz(call->site), call->executed_at_ms);
    }
    if (outcome == STORE_OK && is_batch) {
        store->has_counted |= call->site;
    }
    if (outcome == STORE_OK && is_batch && call->applied.old_version_s != 0) {
        store->knows_old |= call->site;
    }
    if (outcome == STORE_OK && is_batch && !call->applied.is_duplicate) {
        sim_heed_forget(&store->heed, SIM_ALL_SITES);
    } else if (outcome == STORE_REFUSED && !call->applied.gap) {
        sim_heed_hear(&store->heed, sites, store->weather.heed_ms);
    }
}

/* ends the call with the store's answer if `outcome` is STORE_OK, otherwise with `outcome` */
static void end_call(struct sim_store *store, struct call *call, enum store_outcome outcome)
{
    const char *reason = outcome == STORE_REFUSED ? "not now" : "nobody knows";
    struct store_applied applied = {
        .outcome = outcome, .scope = STORE_SCOPE_SERVER, .reason = reason};
    struct store_ledger at = {
        .outcome = STORE_REFUSED, .scope = STORE_SCOPE_SERVER, .reason = reason};

    list_remove(&call->link);
    sim_request_leave(call->request, &store->late, call->fate == FATE_LATE);
    if (outcome == STORE_OK) {
        applied = call->applied;
        at = call->ledger;
        note_heard(store, call);
    }
    if (call->on_ledger != NULL) {
        call->on_ledger(call->data, &at);
    } else {
        call->on_applied(call->data, &applied);
    }
    free(call->answer);
    free(call);
}

static void answer(struct sim_store *store, struct call *call)
{
    bool is_told = call->fate == FATE_DONE || call->fate == FATE_TWICE;

    end_call(store, call,
             is_told                      ? STORE_OK
             : call->fate == FATE_REFUSED ? STORE_REFUSED
                                          : STORE_UNKNOWN);
}

/* whether the call's request has to arrive before its caller gets an answer */
static bool is_under_way(const struct call *call)
{
    return call->request != NULL && call->fate != FATE_LATE;
}

static struct call *first_due(const struct sim_store *store, bool answers)
{
    uint64_t now_ms = clock_monotonic_ms();

    list_for_each(link, &store->calls) {
        struct call *call = call_of(link);

        if (is_under_way(call) ? call->request->at_ms <= now_ms
                               : answers && call->answer_at_ms <= now_ms) {
            return call;
        }
    }
    return NULL;
}

void sim_store_run_due(struct sim_store *store, bool answers)
{
    struct call *call;

    sim_request_run_left(&store->late);
    while ((call = first_due(store, answers)) != NULL) {
        if (is_under_way(call)) {
            execute(store, call);
        } else {
            answer(store, call);
        }
    }
}

uint64_t sim_store_next_ms(const struct sim_store *store)
{
    uint64_t next_ms = sim_request_next_left_ms(&store->late);

    list_for_each(link, &store->calls) {
        const struct call *call = call_of(link);
        uint64_t at_ms = is_under_way(call) ? call->request->at_ms : call->answer_at_ms;

        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms;
}

bool sim_store_is_quiet(const struct sim_store *store)
{
    return list_is_empty(&store->calls) && list_is_empty(&store->late);
}

/* --- the link --- */

static void break_calls(struct sim_store *store)
{
    struct list calls;

    list_init(&calls);
    list_move_all(&calls, &store->calls);
    while (!list_is_empty(&calls)) {
        struct call *call = call_of(calls.next);

        if (call->request != NULL) {
            call->fate = sim_chance(500) ? FATE_LATE : FATE_REQUEST_LOST;
        }
        end_call(store, call, STORE_UNKNOWN);
    }
}

void sim_store_go_away(struct sim_store *store)
{
    bool ends_first = sim_chance(500);

    sim_say("instance %zu: the store goes away", store->instance);
    if (ends_first) {
        break_calls(store);
    }
    store->available = false;
    sim_heed_hear(&store->heed, SIM_ALL_SITES, store->weather.heed_ms);
    store_notify(&store->store, false);
    break_calls(store);
}

void sim_store_come_back(struct sim_store *store)
{
    sim_say("instance %zu: the store is back", store->instance);
    store->available = true;
    sim_heed_forget(&store->heed, SIM_ALL_SITES);
    store_notify(&store->store, true);
}

void sim_store_set_node(struct sim_store *store, struct sim_node *node)
{
    store->node = node;
}

struct sim_node *sim_store_node(const struct sim_store *store)
{
    return store->node;
}

void sim_store_refuse(struct sim_store *store, bool refuses)
{
    store->refuses = refuses;
}

void sim_store_note_refusal(struct sim_store *store, unsigned sites)
{
    sim_heed_begin(&store->heed, sites, store->available);
}

void sim_store_note_no_refusal(struct sim_store *store)
{
    sim_heed_end(&store->heed, store->weather.heed_ms);
}

bool sim_store_knows_old(const struct sim_store *store, size_t site)
{
    return (store->knows_old & 1U << site) != 0;
}

bool sim_store_has_missed(const struct sim_store *store, size_t site)
{
    return store->heed.is_missed[site];
}

void sim_store_set_weather(struct sim_store *store, const struct sim_store_weather *weather)
{
    store->weather = *weather;
}

bool sim_store_is_available(const struct sim_store *store)
{
    return store->available;
}

/* --- the store itself --- */

/*
 * The instance asks the server now and then while there is a link. Before the first time it knows
 * nothing of the replicas.
 */
static void health(struct store *base, struct store_health *ret_health)
{
    struct sim_store *store = sim_of(base);
    uint64_t now_ms = clock_monotonic_ms();

    if (store->available &&
        (store->asked_at_ms == 0 || now_ms - store->asked_at_ms >= REPLICAS_ASKED_MS)) {
        store->asked_at_ms = now_ms;
        store->replicated_before_ms = store->node->replicated_before_ms;
    }
    *ret_health = (struct store_health){.backend = "sim",
                                        .replicated_before_ms = store->replicated_before_ms,
                                        .available = store->available};
}

void sim_store_orphan(struct sim_store *store, struct list *left)
{
    list_for_each(link, &store->calls) {
        struct call *call = call_of(link);

        sim_request_leave(call->request, left, sim_chance(500));
        call->request = NULL;
    }
    list_move_all(left, &store->late);
}

static void destroy(struct store *base)
{
    struct sim_store *store = sim_of(base);

    break_calls(store);
    sim_request_drop_left(&store->late);
    free(store);
}

static const struct store_operations operations = {
    .apply = apply, .ledger = ledger, .health = health, .destroy = destroy};

struct sim_store *sim_store_create(struct sim_node *node, bool available,
                                   const struct sim_store_weather *weather, size_t instance,
                                   enum sim_version version)
{
    struct sim_store *store = allocate(sizeof(*store));

    store->store.operations = &operations;
    store->node = node;
    store->available = available;
    store->weather = *weather;
    store->instance = instance;
    store->version = version;
    list_init(&store->calls);
    list_init(&store->late);
    return store;
}

struct store *sim_store_base(struct sim_store *store)
{
    return &store->store;
}
