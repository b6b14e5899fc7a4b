/* SPDX-License-Identifier: MIT */
#include "sim_request.h"

#include "base/clock.h"
#include "oracle.h"
#include "sim_clock.h"
#include "sim_log.h"

#include <stdlib.h>
#include <string.h>

#define LATE_MAX_MS 4000

static struct sim_request *request_of(struct list *link)
{
    return container_of(link, struct sim_request, link);
}

struct sim_request *sim_request_create(struct sim_node *node, const struct store_batch *batch)
{
    struct sim_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        abort();
    }
    request->node = node;
    request->incarnation = node->incarnation;
    list_init(&request->link);
    strcpy(request->site, batch->site);
    strcpy(request->epoch, batch->epoch);
    request->batch = *batch;
    if (batch->entry_count != 0) {
        request->sealed_batch = sealed_batch_create(batch);
        request->batch.entries = request->sealed_batch->content.entries;
        request->batch.tokens = request->sealed_batch->content.tokens;
    }
    request->batch.site = request->site;
    request->batch.epoch = request->epoch;
    request->version = SIM_NEW;
    request->at_ms = clock_monotonic_ms();
    request->batch.expects_mark |= batch->entry_count == 0; /* a question, as in ledger.lua */
    return request;
}

void sim_request_destroy(struct sim_request *request)
{
    if (request != NULL) {
        sealed_batch_destroy(request->sealed_batch);
        free(request);
    }
}

static size_t count_refused(const struct sim_request *request, const struct store_applied *applied)
{
    size_t count = 0;

    for (size_t i = 0; applied->totals != NULL && i < request->batch.entry_count; i++) {
        count += applied->totals[i] == STORE_NONE ? 1 : 0;
    }
    return count;
}

static size_t count_duplicates(const struct sim_request *request,
                               const struct store_applied *applied)
{
    size_t count = 0;

    for (size_t i = 0; applied->duplicate_tokens != NULL && i < request->batch.token_count; i++) {
        count += applied->duplicate_tokens[i] ? 1 : 0;
    }
    return count;
}

static const char *result_of(const struct store_applied *applied)
{
    if (applied->outcome == STORE_OK) {
        return applied->is_duplicate ? "duplicate" : "applied";
    }
    return applied->gap ? "gap" : applied->reason;
}

static bool is_site_refused(const struct sim_request *request)
{
    return (request->node->refused & 1U << sim_site_number(request->site)) != 0;
}

/*
 * Only an instance that has counted on a site knows that the site has lost its marks. If another
 * instance comes first, batches may count twice. docs/guarantees.md names this limit. Here the
 * other instances wait.
 */
static bool is_beyond_the_guarantee(const struct sim_request *request)
{
    return sim_database_lacks_marks(request->node->database, sim_site_number(request->site)) &&
           (request->version == SIM_OLD || !request->has_counted);
}

void sim_request_apply(const struct sim_request *request, struct sim_answer *answer,
                       struct store_applied *ret_applied)
{
    const struct sim_node *node = request->node;
    const struct store_batch *batch = &request->batch;

    if (node->refuses && (node->refuses_reads || sim_database_would_write(node->database, batch))) {
        *ret_applied = (struct store_applied){
            .outcome = STORE_REFUSED, .scope = STORE_SCOPE_SERVER, .reason = "no writes now"};
    } else if (is_site_refused(request) || is_beyond_the_guarantee(request)) {
        *ret_applied = (struct store_applied){
            .outcome = STORE_REFUSED, .scope = STORE_SCOPE_SITE, .reason = "a key is no hash"};
    } else {
        sim_database_apply(node->database, batch, request->version, answer, ret_applied);
        oracle_applied(node->database, batch);
    }
    sim_say("store: batch %llu of %s (%.12s), after %llu, %s and %zu more: %s, %zu refused, %zu "
            "repeated%s",
            (unsigned long long)batch->sequence, request->site, request->epoch,
            (unsigned long long)batch->follows, batch->entries[0].page, batch->entry_count - 1,
            result_of(ret_applied), count_refused(request, ret_applied),
            count_duplicates(request, ret_applied),
            batch->finds_old_tokens ? ", old forms too" : "");
}

void sim_request_read(const struct sim_request *request, struct store_ledger *ret_ledger)
{
    const struct sim_node *node = request->node;
    struct store_applied refusal;

    if (node->refuses && node->refuses_reads) {
        *ret_ledger = (struct store_ledger){
            .outcome = STORE_REFUSED, .scope = STORE_SCOPE_SERVER, .reason = "no reads now"};
    } else if (is_site_refused(request)) {
        *ret_ledger = (struct store_ledger){
            .outcome = STORE_REFUSED, .scope = STORE_SCOPE_SITE, .reason = "a key is no hash"};
    } else if (request->version != SIM_OLD &&
               sim_database_refuses(node->database, &request->batch, &refusal)) {
        *ret_ledger = (struct store_ledger){.outcome = STORE_REFUSED,
                                            .scope = refusal.scope,
                                            .is_torn = refusal.is_torn,
                                            .is_outdated = refusal.is_outdated,
                                            .generation = refusal.generation,
                                            .reason = refusal.reason};
    } else {
        *ret_ledger = (struct store_ledger){
            .outcome = STORE_OK,
            .at = sim_database_position(node->database, request->site, request->epoch)};
    }
}

/* executes a request whose caller is gone, unless the server has crashed since */
static void execute_late(struct sim_request *request)
{
    static struct sim_answer answer;
    struct store_applied applied;

    if (request->incarnation == request->node->incarnation) {
        sim_request_apply(request, &answer, &applied);
    }
    sim_request_destroy(request);
}

void sim_request_run_left(struct list *left)
{
    struct list *link = left->next;

    while (link != left) {
        struct sim_request *request = request_of(link);

        link = link->next;
        if (request->at_ms <= clock_monotonic_ms()) {
            list_remove(&request->link);
            execute_late(request);
        }
    }
}

uint64_t sim_request_next_left_ms(const struct list *left)
{
    uint64_t next_ms = UINT64_MAX;

    list_for_each(link, left) {
        if (request_of(link)->at_ms < next_ms) {
            next_ms = request_of(link)->at_ms;
        }
    }
    return next_ms;
}

void sim_request_drop_left(struct list *left)
{
    struct list *link;

    while ((link = list_pop_first(left)) != NULL) {
        sim_request_destroy(request_of(link));
    }
}

void sim_request_leave(struct sim_request *request, struct list *left, bool arrives)
{
    if (request == NULL) {
        return;
    }
    if (arrives && request->sealed_batch != NULL) {
        request->at_ms = clock_monotonic_ms() + sim_draw_skewed(0, LATE_MAX_MS);
        list_append(left, &request->link);
    } else {
        sim_request_destroy(request);
    }
}
