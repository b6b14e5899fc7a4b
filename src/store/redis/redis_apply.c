/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/redis_scripts.h"
#include "store/redis/redis_tokens.h"

#include "base/log.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ASSET_JOINED(redis_apply_lua, "src/store/redis/proof.lua", "src/store/redis/apply.lua");

/* after this many EVALSHA without a script, each after an EVAL, the server does not keep scripts */
#define MISSING_SCRIPTS_MAX 3

/* an open apply call */
struct applying {
    struct redis_request request;
    bool with_source;         /* sent by EVAL instead of EVALSHA */
    uint64_t scripts_brought; /* redis_store.scripts_brought at the time of sending */
    const struct store_batch *batch;
    struct store_applied applied; /* the answer, while it waits for replicas */
    uint64_t *totals;             /* NULL until applied; uniques follow in the same memory */
    bool *duplicates;
    struct redis_waiter waiter;
    uint64_t replicas; /* that have confirmed the batch */
};

static struct applying *applying_of(struct redis_request *request)
{
    return container_of(request, struct applying, request);
}

/* the visitors of one entry, and whether it wants their number */
struct visited {
    size_t entry;
    const struct store_visitor *visitors;
    size_t count;
};

static bool has_visited(const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->entry_count; i++) {
        if (batch->entries[i].wants_uniques) {
            return true;
        }
    }
    return batch->visitor_count != 0;
}

/* returns the entries that have or count visitors, in order; NULL if none. The caller frees it */
static struct visited *find_visited(const struct store_batch *batch, size_t *ret_count)
{
    struct visited *visited;
    size_t count = 0;
    size_t next = 0;

    *ret_count = 0;
    if (!has_visited(batch)) {
        return NULL;
    }
    visited = alloc_zero(batch->entry_count, sizeof(*visited));
    for (size_t i = 0; i < batch->entry_count; i++) {
        size_t first = next;

        while (next < batch->visitor_count && batch->visitors[next].entry == i) {
            next++;
        }
        if (next != first || batch->entries[i].wants_uniques) {
            visited[count++] = (struct visited){i, batch->visitors + first, next - first};
        }
    }
    *ret_count = count;
    return visited;
}

static void add_visited_keys(struct redis_store *store, const struct store_batch *batch,
                             const struct visited *visited, size_t visited_count)
{
    redis_request_add_visitors_key(store, batch->site, batch->day, "", 0);
    for (size_t i = 0; i < visited_count; i++) {
        const struct store_entry *entry = &batch->entries[visited[i].entry];

        redis_request_add_visitors_key(store, batch->site, batch->day, entry->page,
                                       entry->page_length);
    }
}

static void add_keys(struct redis_store *store, const struct store_batch *batch,
                     const struct redis_tokens *tokens, const struct visited *visited,
                     size_t visited_count)
{
    struct redis_command *command = &store->command;

    redis_command_add_u64(command, 4 + redis_tokens_key_count(tokens) +
                                       (visited_count != 0 ? visited_count + 1 : 0));
    redis_request_add_key(REDIS_NEXT_KEY(command, apply, hits_key), batch->site, "hits");
    REDIS_NEXT_KEY(command, apply, day_key);
    redis_request_add_day_key(store, batch->site, batch->day);
    REDIS_NEXT_KEY(command, apply, hour_key);
    redis_request_add_hour_key(store, batch->site, batch->hour);
    redis_request_add_key(REDIS_NEXT_KEY(command, apply, ledger_key), batch->site, "ledger");
    redis_scripts_next(command, REDIS_SCRIPT_WORDS, REDIS_APPLY_KEY_COUNT);
    redis_tokens_add_keys(tokens, command);
    if (visited_count != 0) {
        add_visited_keys(store, batch, visited, visited_count);
    }
}

static void add_visited(struct redis_command *command, const struct store_batch *batch,
                        const struct visited *visited, size_t visited_count)
{
    for (size_t i = 0; i < visited_count; i++) {
        redis_command_add_u64(command, visited[i].entry + 2); /* 1 is the site */
        redis_command_add_text(command, batch->entries[visited[i].entry].wants_uniques ? "1" : "0");
        redis_command_add_u64(command, visited[i].count);
        for (size_t j = 0; j < visited[i].count; j++) {
            redis_command_add(command, &visited[i].visitors[j].hash,
                              sizeof(visited[i].visitors[j].hash));
        }
    }
}

static void add_seldom_needed(struct redis_store *store, const struct store_batch *batch)
{
    redis_store_list_begin(store);
    redis_store_list_put(store, store->day_ttl_s);
    redis_store_list_put(store, store->hour_ttl_s);
    redis_store_list_put(store, store->ledger_ttl_s);
    redis_store_list_put(store, batch->expects_mark ? 1 : 0);
    redis_store_list_add(store);
}

/* adds the names of the site and the pages, then their hits; the site has the sum */
static void add_pages(struct redis_command *command, const struct store_batch *batch)
{
    uint64_t hits = 0;

    redis_command_add(command, "", 0);
    for (size_t i = 0; i < batch->entry_count; i++) {
        redis_command_add(command, batch->entries[i].page, batch->entries[i].page_length);
        hits += batch->entries[i].hits;
    }
    redis_command_add_u64(command, hits);
    for (size_t i = 0; i < batch->entry_count; i++) {
        redis_command_add_u64(command, batch->entries[i].hits);
    }
}

/* without a link nothing is sent, so any text will do */
static const char *script_sha(const struct redis_store *store)
{
    return store->link != NULL ? redis_link_script_sha(store->link) : "";
}

/* sends the store's command; joins the next WAIT if replicas must confirm it */
static void send_and_wait(struct applying *applying)
{
    struct redis_store *store = applying->request.store;

    if (store->wait.replicas == 0) {
        redis_request_send(&applying->request);
        return;
    }
    list_remove(&applying->waiter.link); /* of the earlier EVALSHA, which was not executed */
    redis_wait_prepare(&store->wait);
    redis_request_send(&applying->request);
    if (applying->request.was_sent) {
        redis_wait_join(&store->wait, &applying->waiter);
    }
}

/* adds the fixed arguments */
static void add_fixed(struct redis_store *store, const struct store_batch *batch,
                      const struct redis_tokens *tokens, size_t visited_count)
{
#define NEXT(name) REDIS_NEXT_ARGUMENT(command, before, apply, name)
    struct redis_command *command = &store->command;
    size_t before = command->count;

    redis_command_add_text(NEXT(epoch), batch->epoch);
    redis_command_add_u64(NEXT(sequence), batch->sequence);
    redis_command_add_u64(NEXT(follows), batch->follows);
    redis_command_add_u64(NEXT(visits), batch->visits);
    redis_command_add_u64(NEXT(made_at), batch->second);
    NEXT(lifetimes);
    add_seldom_needed(store, batch);
    redis_command_add_u64(NEXT(pages_max), batch->pages_max);
    redis_request_add_channel(NEXT(channel), batch->site);
    redis_command_add_u64(NEXT(page_count), 1 + batch->entry_count);
    NEXT(token_groups);
    redis_tokens_add_groups(tokens, store); /* and stamp_groups */
    redis_command_add_u64(NEXT(visited_count), visited_count);
    redis_scripts_next(command, before, REDIS_APPLY_ARGUMENT_COUNT);
#undef NEXT
}

static void send_apply(struct applying *applying, bool with_source)
{
    const struct store_batch *batch = applying->batch;
    struct redis_store *store = applying->request.store;
    struct redis_command *command = &store->command;
    size_t visited_count;
    struct visited *visited = find_visited(batch, &visited_count);
    struct redis_tokens tokens;

    applying->with_source = with_source;
    applying->scripts_brought = store->scripts_brought;
    redis_tokens_init(&tokens, batch, loop_now_ms(store->loop) < store->finds_long_until_ms);
    redis_command_begin(command, with_source ? "EVAL" : "EVALSHA");
    redis_command_add_text(command, with_source ? redis_apply_lua : script_sha(store));
    add_keys(store, batch, &tokens, visited, visited_count);
    add_fixed(store, batch, &tokens, visited_count);
    add_pages(command, batch);
    add_visited(command, batch, visited, visited_count);
    redis_tokens_add(&tokens, store);
    redis_tokens_finish(&tokens);
    free(visited);
    send_and_wait(applying);
}

/* --- the answer --- */

static void warn_of_series(struct redis_store *store, const char *site, const char *error)
{
    uint64_t now_ms = loop_now_ms(store->loop);

    if (store->series_error_logged_at_ms != 0 &&
        now_ms - store->series_error_logged_at_ms < 60000) {
        return;
    }
    store->series_error_logged_at_ms = now_ms;
    log_warning("redis: site %s: numbers by day or hour or of visitors: %s; totals are not "
                "affected",
                site, error);
}

/* parses " ~ 2 5": numbers of tokens in the order sent, from 1; returns the rest, or NULL */
static const char *parse_duplicate_tokens(const char *text, const struct store_batch *batch,
                                          bool *duplicates)
{
    struct redis_tokens tokens;

    if (!redis_request_starts_with(text, " ~ ")) {
        return text;
    }
    redis_tokens_init(&tokens, batch, false);
    text += 2;
    do {
        uint64_t number;

        text = redis_request_parse_numbers(text, &number, 1);
        if (text == NULL || number == 0 || number > batch->token_count) {
            text = NULL;
            break;
        }
        duplicates[tokens.order[number - 1]] = true;
    } while (*text == ' ' && text[1] >= '0' && text[1] <= '9');
    redis_tokens_finish(&tokens);
    return text;
}

/*
 * Parses " ^ 7 9": the visitors of the entries that want them. Returns the rest, or NULL. A batch
 * from a journal wants none, but a duplicate may get the numbers of its first answer.
 */
static const char *parse_uniques(const char *text, const struct store_batch *batch,
                                 uint64_t *uniques)
{
    bool are_there = redis_request_starts_with(text, " ^ ");

    text += are_there ? 2 : 0;
    for (size_t i = 0; i < batch->entry_count; i++) {
        uniques[i] = STORE_NONE;
        if (are_there && batch->entries[i].wants_uniques && text != NULL) {
            text = redis_request_parse_numbers(text, &uniques[i], 1);
        }
    }
    while (are_there && text != NULL && *text == ' ' && text[1] >= '0' && text[1] <= '9') {
        uint64_t unwanted;

        text = redis_request_parse_numbers(text, &unwanted, 1);
    }
    return text;
}

/* parses " ? 8": seconds to remember that a version before 0.2 wrote; returns the rest, or NULL */
static const char *parse_old_version(const char *text, struct store_applied *applied)
{
    if (!redis_request_starts_with(text, " ? ")) {
        return text;
    }
    text = redis_request_parse_numbers(text + 2, &applied->old_version_s, 1);
    if (applied->old_version_s > STORE_OLD_VERSION_S) {
        return NULL;
    }
    applied->is_unproven = applied->old_version_s > STORE_OLD_VERSION_S - STORE_UNPROVEN_S;
    return text;
}

/* parses a whole answer; returns the error in it, "" if it has none, or NULL if it is malformed */
static const char *parse_answer(const char *text, struct applying *applying)
{
    const struct store_batch *batch = applying->batch;

    text = redis_request_parse_numbers(text, applying->totals, batch->entry_count);
    if (text != NULL) {
        text = parse_duplicate_tokens(text, batch, applying->duplicates);
    }
    if (text != NULL) {
        text = parse_uniques(text, batch, applying->totals + batch->entry_count);
    }
    if (text != NULL) {
        text = parse_old_version(text, &applying->applied);
    }
    if (text == NULL || *text == '\0') {
        return text;
    }
    return redis_request_starts_with(text, " ! ") ? text + 3 : NULL;
}

static void end_apply(struct applying *applying, const struct store_applied *applied)
{
    list_remove(&applying->waiter.link);
    applying->request.on_applied(applying->request.data, applied);
    free(applying->totals);
    free(applying->duplicates);
    free(applying);
}

/* answers an applied batch: now, or once the WAIT has ended */
static void end_confirmed(struct applying *applying)
{
    applying->applied.replicas = applying->replicas;
    applying->applied.replicas_wanted = applying->request.store->wait.replicas;
    end_apply(applying, &applying->applied);
}

static void on_waited(struct redis_waiter *waiter, uint64_t replicas)
{
    struct applying *applying = container_of(waiter, struct applying, waiter);

    applying->replicas = replicas;
    if (applying->totals != NULL) {
        end_confirmed(applying);
    }
}

static void finish_with_totals(struct applying *applying, const char *text, bool is_duplicate)
{
    const struct store_batch *batch = applying->batch;
    const char *error;

    applying->totals = alloc_zero(2 * batch->entry_count, sizeof(*applying->totals));
    applying->duplicates = alloc_zero(batch->token_count + 1, sizeof(*applying->duplicates));
    error = parse_answer(text, applying);
    if (error == NULL) {
        end_apply(applying,
                  &(struct store_applied){.outcome = STORE_UNKNOWN,
                                          .reason = "apply: a reply that is not understood"});
        return;
    }
    if (*error != '\0') {
        warn_of_series(applying->request.store, batch->site, error);
    }
    applying->applied.outcome = STORE_OK;
    applying->applied.totals = applying->totals;
    applying->applied.uniques = applying->totals + batch->entry_count;
    applying->applied.duplicate_tokens = applying->duplicates;
    applying->applied.is_duplicate = is_duplicate;
    if (list_is_empty(&applying->waiter.link)) {
        end_confirmed(applying);
    }
}

/* parses " 7 80", the position of the ledger; returns whether it is well-formed */
static bool parse_gap(const char *text, struct store_position *ret_at)
{
    uint64_t numbers[2];

    text = redis_request_parse_numbers(text, numbers, 2);
    if (text == NULL || *text != '\0' || numbers[0] == STORE_NONE || numbers[1] == STORE_NONE) {
        return false;
    }
    *ret_at = (struct store_position){.sequence = numbers[0], .visits = numbers[1]};
    return true;
}

static void finish_gap(struct applying *applying, const struct store_position *at)
{
    end_apply(applying, &(struct store_applied){.outcome = STORE_REFUSED,
                                                .gap = true,
                                                .at = *at,
                                                .reason = "the store went back in time"});
}

static void finish_verdict(struct applying *applying, const struct redis_verdict *verdict)
{
    end_apply(applying, &(struct store_applied){.outcome = STORE_REFUSED,
                                                .scope = STORE_SCOPE_SITE,
                                                .is_torn = verdict->is_torn,
                                                .is_outdated = verdict->is_outdated,
                                                .generation = verdict->generation,
                                                .reason = verdict->reason});
}

/* whether the server lacks EVALSHA; NOPERM does not count, because an operator must fix that */
static bool is_unknown_command(const char *error)
{
    return redis_request_starts_with(error, "ERR") &&
           (strcasestr(error, "unknown command") != NULL ||
            strcasestr(error, "unsupported") != NULL || strcasestr(error, "not supported") != NULL);
}

/* whether the server lacked the script, so that the batch must be resent with EVAL */
static bool lacks_script(struct applying *applying, const redisReply *reply)
{
    struct redis_store *store = applying->request.store;

    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || applying->with_source) {
        return false;
    }
    if (is_unknown_command(reply->str)) {
        store->sends_source = true;
        return true;
    }
    if (!redis_request_starts_with(reply->str, "NOSCRIPT")) {
        return false;
    }
    /*
     * Normal after SCRIPT FLUSH, and for the first batches if SCRIPT LOAD failed. Counted once per
     * EVAL.
     */
    if (applying->scripts_brought > store->scripts_missed) {
        store->scripts_missed = store->scripts_brought;
        store->sends_source = ++store->missing_scripts >= MISSING_SCRIPTS_MAX;
    }
    return true;
}

static void finish_apply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct applying *applying = applying_of(request);
    const char *text = redis_request_text_of(reply);
    struct redis_verdict verdict;
    struct store_position at;

    if (lacks_script(applying, reply)) {
        send_apply(applying, true);
        return;
    }
    if (applying->with_source) {
        request->store->scripts_brought++;
    } else {
        request->store->missing_scripts = 0;
    }
    if (redis_request_starts_with(text, "OK")) {
        finish_with_totals(applying, text + 2, false);
    } else if (redis_request_starts_with(text, "DUP")) {
        finish_with_totals(applying, text + 3, true);
    } else if (redis_request_starts_with(text, "GAP") && parse_gap(text + 3, &at)) {
        finish_gap(applying, &at);
    } else if (redis_verdict_parse(text, &verdict)) {
        finish_verdict(applying, &verdict);
    } else {
        struct store_applied applied = {0};

        applied.scope = redis_request_scope(reply);
        applied.outcome = redis_request_failure(request, reply, reason, &applied.reason);
        if (applied.outcome == STORE_UNKNOWN && reply != NULL) {
            /* the reply belongs to another command, so all later replies would as well */
            redis_link_reset(applying->request.store->link, applied.reason);
        }
        end_apply(applying, &applied);
    }
}

void redis_store_apply(struct store *store, const struct store_batch *batch,
                       store_on_applied on_applied, void *data)
{
    struct applying *applying = alloc_zero(1, sizeof(*applying));

    require(strlen(batch->epoch) == STORE_EPOCH_LENGTH);
    require(batch->visitor_count == 0 || batch->visitors != NULL);
    redis_request_init(&applying->request, store, data, finish_apply);
    applying->request.on_applied = on_applied;
    applying->batch = batch;
    applying->waiter.on_waited = on_waited;
    list_init(&applying->waiter.link);
    send_apply(applying, applying->request.store->sends_source);
}
