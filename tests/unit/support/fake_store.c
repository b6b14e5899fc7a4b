/* SPDX-License-Identifier: MIT */
#include "fake_store.h"

#include "store/stamp.h"

#include "count/batch.h"
#include "fake_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define check(condition) check_that((condition), #condition, __LINE__)

static void check_that(bool condition, const char *text, int line)
{
    if (!condition) {
        fprintf(stderr, "fake_store.c:%d: the contract of store.h is broken: not %s\n", line, text);
        abort();
    }
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count != 0 ? count : 1, size);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- calls --- */

static struct fake_call *call_of(struct list *link)
{
    return container_of(link, struct fake_call, link);
}

static struct fake_store *fake_of(struct store *store)
{
    return container_of(store, struct fake_store, store);
}

static char *copy_text(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;

    if (text != NULL && copy == NULL) {
        abort();
    }
    return copy;
}

static struct store_batch copy_batch(const struct store_batch *batch)
{
    struct store_entry *entries = allocate(batch->entry_count, sizeof(*entries));
    struct store_token *tokens = allocate(batch->token_count, sizeof(*tokens));
    struct store_visitor *visitors = allocate(batch->visitor_count, sizeof(*visitors));
    struct store_batch copy = *batch;

    if (batch->visitor_count != 0) {
        memcpy(visitors, batch->visitors, batch->visitor_count * sizeof(*visitors));
    }
    for (size_t i = 0; i < batch->entry_count; i++) {
        entries[i] = batch->entries[i];
        entries[i].page = copy_text(batch->entries[i].page);
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        tokens[i] = batch->tokens[i];
        tokens[i].bytes = memcpy(allocate(tokens[i].length, 1), tokens[i].bytes, tokens[i].length);
    }
    copy.site = copy_text(batch->site);
    copy.epoch = copy_text(batch->epoch);
    copy.entries = entries;
    copy.tokens = tokens;
    copy.visitors = visitors;
    return copy;
}

static void free_call(struct fake_call *call)
{
    for (size_t i = 0; i < call->batch.entry_count; i++) {
        free((char *)call->batch.entries[i].page);
    }
    for (size_t i = 0; i < call->batch.token_count; i++) {
        free((char *)call->batch.tokens[i].bytes);
    }
    free((struct store_entry *)call->batch.entries);
    free((struct store_token *)call->batch.tokens);
    free((struct store_visitor *)call->batch.visitors);
    free((char *)call->batch.site);
    free((char *)call->batch.epoch);
    free(call);
}

static void check_tokens(const struct store_batch *batch)
{
    uint64_t tokens[BATCH_PAGES_MAX] = {0};

    check(batch->token_count <= BATCH_TOKENS_MAX);
    for (size_t i = 0; i < batch->token_count; i++) {
        const struct store_token *token = &batch->tokens[i];

        check(token->length >= 1 && token->length <= STORE_TOKEN_MAX);
        check(token->entry < batch->entry_count);
        check(token->window == STORE_WINDOW_ATTEMPT || token->window == STORE_WINDOW_CLIENT ||
              token->window == STORE_WINDOW_DAY || token->window == STORE_WINDOW_STAMPED);
        check(token->window != STORE_WINDOW_STAMPED || token->length == STAMP_LENGTH);
        check(++tokens[token->entry] <= batch->entries[token->entry].hits);
    }
}

static void check_visitors(const struct store_batch *batch)
{
    check(batch->visitor_count <= BATCH_VISITORS_MAX);
    for (size_t i = 0; i < batch->visitor_count; i++) {
        check(batch->visitors[i].entry < batch->entry_count);
        check(i == 0 || batch->visitors[i - 1].entry <= batch->visitors[i].entry);
    }
}

static void check_batch(const struct store_batch *batch)
{
    uint64_t hits = 0;

    check(strlen(batch->site) <= STORE_SITE_MAX);
    check(strlen(batch->epoch) == STORE_EPOCH_LENGTH);
    check(batch->sequence >= 1);
    check(batch->follows < batch->sequence);
    check(batch->second / 3600 == batch->hour);
    check(batch->entry_count >= 1 && batch->entry_count <= BATCH_PAGES_MAX);
    for (size_t i = 0; i < batch->entry_count; i++) {
        /* no hits: a resend of a batch whose entry was refused */
        check(batch->entries[i].hits != 0 || batch->pages_max == 0);
        check(batch->entries[i].page_length != 0);
        check(batch->entries[i].page_length <= STORE_PAGE_MAX);
        check(strlen(batch->entries[i].page) == batch->entries[i].page_length);
        hits += batch->entries[i].hits;
        for (size_t j = 0; j < i; j++) {
            check(strcmp(batch->entries[i].page, batch->entries[j].page) != 0);
        }
    }
    check(batch->visits >= hits);
    check(batch->sequence != 1 || batch->visits == hits);
    check_tokens(batch);
    check_visitors(batch);
}

/* data passed by pointer must not have changed */
static void check_unchanged(const struct fake_call *call)
{
    const struct store_batch *now = &call->theirs;
    const struct store_batch *then = &call->batch;

    check(strcmp(now->site, then->site) == 0);
    check(then->epoch == NULL || strcmp(now->epoch, then->epoch) == 0);
    for (size_t i = 0; i < then->entry_count; i++) {
        check(now->entries[i].hits == then->entries[i].hits);
        check(strcmp(now->entries[i].page, then->entries[i].page) == 0);
    }
    for (size_t i = 0; i < then->token_count; i++) {
        check(now->tokens[i].entry == then->tokens[i].entry);
        check(now->tokens[i].window == then->tokens[i].window);
        check(now->tokens[i].length == then->tokens[i].length);
        check(memcmp(now->tokens[i].bytes, then->tokens[i].bytes, then->tokens[i].length) == 0);
    }
    for (size_t i = 0; i < then->visitor_count; i++) {
        check(now->visitors[i].entry == then->visitors[i].entry);
        check(now->visitors[i].hash == then->visitors[i].hash);
    }
}

static struct fake_call *add_call(struct store *store, enum fake_kind kind,
                                  const struct store_batch *batch, void *data)
{
    struct fake_store *fake = fake_of(store);
    struct fake_call *call = allocate(1, sizeof(*call));

    call->kind = kind;
    call->theirs = *batch;
    call->batch = copy_batch(batch);
    call->data = data;
    list_append(&fake->calls, &call->link);
    return call;
}

static void apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    check_batch(batch);
    /* the ledger knows only the last batch of an epoch: a second one must wait for the first */
    list_for_each(link, &fake_of(store)->calls) {
        check(call_of(link)->kind != FAKE_APPLY ||
              strcmp(call_of(link)->batch.epoch, batch->epoch) != 0);
    }
    fake_of(store)->apply_count++;
    add_call(store, FAKE_APPLY, batch, data)->on_applied = on_applied;
}

static void read_pages(struct store *store, const struct store_query *query, store_on_read on_read,
                       void *data)
{
    struct store_batch batch = {
        .site = query->site, .entries = query->pages, .entry_count = query->page_count};

    check(query->kind == STORE_TOTALS);
    add_call(store, FAKE_READ, &batch, data)->on_read = on_read;
}

static void ledger(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data)
{
    struct store_batch batch = {.site = site, .epoch = epoch};

    add_call(store, FAKE_LEDGER, &batch, data)->on_ledger = on_ledger;
}

static void health(struct store *store, struct store_health *ret_health)
{
    *ret_health =
        (struct store_health){.backend = "fake",
                              .replicated_before_ms = fake_of(store)->replicated_before_ms,
                              .available = fake_of(store)->available,
                              .state = fake_of(store)->available ? "ready" : "down"};
}

/* --- fates --- */

/* whether the site was repaired since the epoch of a call began */
static bool is_outdated(const struct fake_store *fake, const struct fake_call *call)
{
    char digits[8] = "0"; /* of a version before 0.2 */

    if (*call->batch.epoch == 'g') {
        memcpy(digits, call->batch.epoch + 1, 7);
    }
    return strtoull(digits, NULL, 10) < fake->generation;
}

static void end_apply(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_applied applied = {.outcome = STORE_UNKNOWN, .reason = "the reply was lost"};
    struct fake_answer *answer = allocate(1, sizeof(*answer));

    if (fate == FAKE_DONE && is_outdated(fake, call)) {
        applied = (struct store_applied){.outcome = STORE_REFUSED,
                                         .is_outdated = true,
                                         .generation = fake->generation,
                                         .reason = "the site was repaired"};
    } else if (fate == FAKE_DONE) {
        applied = fake_database_apply(fake->database, &call->batch, answer);
    } else if (fate == FAKE_REPLY_LOST) {
        fake_database_apply(fake->database, &call->batch, answer);
    } else if (fate == FAKE_REFUSED || fate == FAKE_REFUSED_ALL || fate == FAKE_TORN) {
        applied.outcome = STORE_REFUSED;
        applied.scope = fate == FAKE_REFUSED_ALL ? STORE_SCOPE_SERVER : STORE_SCOPE_SITE;
        applied.is_torn = fate == FAKE_TORN;
        applied.reason = fate == FAKE_TORN ? "a key was lost" : "not now";
    }
    call->on_applied(call->data, &applied);
    free(answer); /* the answer lives only until the callback returns */
}

static void end_read(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_read read = {.outcome = STORE_REFUSED, .reason = "not now"};
    uint64_t *totals = allocate(call->batch.entry_count, sizeof(*totals));

    if (fate == FAKE_DONE) {
        fake_database_read(fake->database, &call->batch, totals);
        read = (struct store_read){.outcome = STORE_OK, .numbers = totals};
    }
    call->on_read(call->data, &read);
    free(totals);
}

static void end_ledger(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    struct store_ledger answer = {.outcome = STORE_REFUSED,
                                  .scope = fate == FAKE_REFUSED_ALL ? STORE_SCOPE_SERVER
                                                                    : STORE_SCOPE_SITE,
                                  .reason = "not now"};

    if (fate == FAKE_DONE && is_outdated(fake, call)) {
        answer.is_outdated = true;
        answer.generation = fake->generation;
    } else if (fate == FAKE_DONE) {
        answer = (struct store_ledger){
            .outcome = STORE_OK,
            .at = fake_database_position(fake->database, call->batch.site, call->batch.epoch)};
    }
    call->on_ledger(call->data, &answer);
}

void fake_store_end(struct fake_store *fake, struct fake_call *call, enum fake_fate fate)
{
    check_unchanged(call);
    list_remove(&call->link);
    switch (call->kind) {
    case FAKE_APPLY:
        end_apply(fake, call, fate);
        break;
    case FAKE_READ:
        end_read(fake, call, fate);
        break;
    case FAKE_LEDGER:
        end_ledger(fake, call, fate);
        break;
    }
    if (fate == FAKE_LATE && call->kind == FAKE_APPLY) {
        list_append(&fake->late, &call->link);
    } else {
        free_call(call);
    }
}

void fake_store_end_all(struct fake_store *fake, enum fake_fate fate)
{
    struct list calls;

    list_init(&calls);
    list_move_all(&calls, &fake->calls);
    while (!list_is_empty(&calls)) {
        fake_store_end(fake, call_of(calls.next), fate);
    }
}

void fake_store_execute_late(struct fake_store *fake)
{
    struct list *link = list_pop_first(&fake->late);
    struct fake_answer answer;

    check(link != NULL);
    fake_database_apply(fake->database, &call_of(link)->batch, &answer);
    free_call(call_of(link));
}

void fake_store_go_away(struct fake_store *fake, enum fake_fate fate)
{
    check(fake->available);
    fake->available = false;
    store_notify(&fake->store, false);
    fake_store_end_all(fake, fate);
}

void fake_store_come_back(struct fake_store *fake)
{
    check(!fake->available);
    fake->available = true;
    store_notify(&fake->store, true);
}

/* --- the store itself --- */

static void destroy(struct store *store)
{
    struct fake_store *fake = fake_of(store);
    struct list *link;

    fake_store_end_all(fake, FAKE_REQUEST_LOST);
    while ((link = list_pop_first(&fake->late)) != NULL) {
        free_call(call_of(link));
    }
    free(fake);
}

/* the operations that the engine uses */
static const struct store_operations operations = {
    .apply = apply,
    .read = read_pages,
    .ledger = ledger,
    .health = health,
    .destroy = destroy,
};

struct fake_store *fake_store_create(struct fake_database *database, bool available)
{
    struct fake_store *fake = allocate(1, sizeof(*fake));

    fake->store.operations = &operations;
    fake->database = database;
    fake->available = available;
    fake->replicated_before_ms = UINT64_MAX;
    list_init(&fake->calls);
    list_init(&fake->late);
    return fake;
}

static size_t count_links(const struct list *anchor)
{
    size_t count = 0;

    list_for_each(link, anchor) {
        count++;
    }
    return count;
}

size_t fake_store_open_count(const struct fake_store *fake)
{
    return count_links(&fake->calls);
}

size_t fake_store_late_count(const struct fake_store *fake)
{
    return count_links(&fake->late);
}

struct fake_call *fake_store_call(const struct fake_store *fake, size_t index)
{
    list_for_each(link, &fake->calls) {
        if (index-- == 0) {
            return call_of(link);
        }
    }
    return NULL;
}

struct fake_call *fake_store_call_of(const struct fake_store *fake, const char *site)
{
    list_for_each(link, &fake->calls) {
        if (call_of(link)->kind == FAKE_APPLY && strcmp(call_of(link)->batch.site, site) == 0) {
            return call_of(link);
        }
    }
    return NULL;
}

uint64_t fake_call_hits(const struct fake_call *call, const char *page)
{
    for (size_t i = 0; i < call->batch.entry_count; i++) {
        if (strcmp(call->batch.entries[i].page, page) == 0) {
            return call->batch.entries[i].hits;
        }
    }
    return 0;
}
