/* SPDX-License-Identifier: MIT */
#include "store/redis_store.h"

#include "base/asset.h"
#include "base/buf.h"
#include "base/log.h"
#include "store/redis_link.h"
#include "store/redis_wait.h"
#include "store/stream.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

ASSET(redis_apply_lua, "src/store/apply.lua");
ASSET_DECLARE(redis_apply_lua);

struct redis_store {
    struct store store;
    struct loop *loop;
    struct redis_link *link;
    struct ssl_ctx_st *tls;
    struct list unsent; /* calls that the link did not take: refused at the end of the turn */
    struct loop_task refuse;
    struct redis_wait wait;
    uint64_t series_error_logged_at_ms;
    char *strings[2]; /* copies of the options' */
    char client_name[96];
    struct redis_command command; /* the one that is being written */
    uint64_t hour;                /* that of the names below, once there are any */
    char day_kind[24];            /* "day:20260131" */
    char hour_kind[24];           /* "hour:2026013123" */
    uint64_t day_ttl_s;
    uint64_t hour_ttl_s;
    uint64_t ledger_ttl_s;
};

/* what the three calls have in common; `finish` gets reply NULL and a reason when there was none */
struct request {
    struct redis_call call;
    struct redis_store *store;
    void (*finish)(struct request *request, const redisReply *reply, const char *reason);
    bool was_sent;
    union {
        store_on_applied on_applied;
        store_on_read on_read;
        store_on_ledger on_ledger;
    };
    void *data;
    const struct store_batch *batch; /* apply */
    size_t count;                    /* entries of apply, pages of read */

    /* apply, where replicas are waited for */
    struct redis_waiter waiter;
    uint64_t replicas;            /* that have confirmed it */
    struct store_applied applied; /* what will be answered then */
    uint64_t *totals;
    bool *repeated;
};

static void on_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct request *request = container_of(call, struct request, call);

    request->finish(request, reply, reason);
}

static struct request *create_request(struct store *store, void *data,
                                      void (*finish)(struct request *, const redisReply *,
                                                     const char *))
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        abort();
    }
    request->call.on_reply = on_reply;
    request->store = container_of(store, struct redis_store, store);
    list_init(&request->waiter.link);
    request->finish = finish;
    request->data = data;
    return request;
}

static void on_refuse(struct loop_task *task)
{
    struct redis_store *store = container_of(task, struct redis_store, refuse);
    struct list unsent;
    struct list *link;

    list_init(&unsent);
    list_move_all(&unsent, &store->unsent);
    while ((link = list_take_first(&unsent)) != NULL) {
        struct request *request = container_of(link, struct request, call.link);

        request->finish(request, NULL, "the store is not connected");
    }
}

/* sends the store's command */
static void send_request(struct request *request)
{
    struct redis_store *store = request->store;
    int error = -ENOTCONN;

    if (store->link != NULL) {
        error = redis_link_send(store->link, &request->call, &store->command);
    }
    request->was_sent = error == 0;
    if (error != 0) {
        list_append(&store->unsent, &request->call.link);
        loop_task_schedule(store->loop, &store->refuse);
    }
}

/* "vc:{site}:" and what follows; the longest is that of a bucket */
#define KEY_MAX (STORE_SITE_MAX + 64)

static void add_key(struct redis_command *command, const char *site, const char *kind)
{
    char key[KEY_MAX];
    char *end = stpcpy(stpcpy(stpcpy(stpcpy(key, "vc:{"), site), "}:"), kind);

    redis_command_add(command, key, (size_t)(end - key));
}

/* the hour's and the day's names are made once an hour */
static void name_hour(struct redis_store *store, uint64_t hour)
{
    time_t seconds = (time_t)(hour * 3600);
    struct tm utc;

    if (*store->day_kind == '\0' || store->hour != hour) {
        store->hour = hour;
        gmtime_r(&seconds, &utc);
        strftime(store->day_kind, sizeof(store->day_kind), "day:%Y%m%d", &utc);
        strftime(store->hour_kind, sizeof(store->hour_kind), "hour:%Y%m%d%H", &utc);
    }
}

/* the buckets before, at and after the batch's time: instances' clocks may differ by one */
static void add_bucket_keys(struct redis_command *command, const struct store_batch *batch,
                            uint64_t window_s)
{
    uint64_t bucket = batch->second / window_s;
    char kind[48];

    for (uint64_t i = bucket - 1; i != bucket + 2; i++) {
        snprintf(kind, sizeof(kind), "seen:%llu:%llu", (unsigned long long)window_s,
                 (unsigned long long)i);
        add_key(command, batch->site, kind);
    }
}

/* --- apply --- */

static void add_keys(struct redis_store *store, const struct store_batch *batch)
{
    struct redis_command *command = &store->command;

    name_hour(store, batch->hour);
    redis_command_add_text(command, batch->token_count != 0 ? "10" : "4");
    add_key(command, batch->site, "hits");
    add_key(command, batch->site, store->day_kind);
    add_key(command, batch->site, store->hour_kind);
    add_key(command, batch->site, "ledger");
    if (batch->token_count != 0) {
        add_bucket_keys(command, batch, STORE_WINDOW_ATTEMPT_S);
        add_bucket_keys(command, batch, STORE_WINDOW_CLIENT_S);
    }
}

static void add_batch(struct redis_command *command, const struct store_batch *batch)
{
    redis_command_add_u64(command, batch->entry_count);
    for (size_t i = 0; i < batch->entry_count; i++) {
        redis_command_add(command, batch->entries[i].page, batch->entries[i].page_length);
        redis_command_add_u64(command, batch->entries[i].hits);
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        redis_command_add_u64(command, batch->tokens[i].entry + 1);
        redis_command_add_u64(command, batch->tokens[i].window == STORE_WINDOW_ATTEMPT ? 1 : 2);
        redis_command_add(command, batch->tokens[i].bytes, batch->tokens[i].length);
    }
}

/* a store without a link sends nothing: any name does */
static const char *script_sha(const struct redis_store *store)
{
    return store->link != NULL ? redis_link_script_sha(store->link) : "";
}

/* KEYS and ARGV are described in apply.lua */
static void send_apply(struct request *request, bool with_source)
{
    const struct store_batch *batch = request->batch;
    struct redis_store *store = request->store;
    struct redis_command *command = &store->command;

    redis_command_begin(command, with_source ? "EVAL" : "EVALSHA");
    redis_command_add_text(command, with_source ? redis_apply_lua : script_sha(store));
    add_keys(store, batch);
    redis_command_add_text(command, batch->epoch);
    redis_command_add_u64(command, batch->sequence);
    redis_command_add_u64(command, batch->follows);
    redis_command_add_u64(command, batch->visits);
    redis_command_add_u64(command, store->day_ttl_s);
    redis_command_add_u64(command, store->hour_ttl_s);
    redis_command_add_u64(command, store->ledger_ttl_s);
    redis_command_add_u64(command, UINT64_C(3) * STORE_WINDOW_ATTEMPT_S);
    redis_command_add_u64(command, UINT64_C(3) * STORE_WINDOW_CLIENT_S);
    add_batch(command, batch);
    if (store->wait.replicas == 0) {
        send_request(request);
        return;
    }
    list_remove(&request->waiter.link); /* of what was sent before, and not executed */
    redis_wait_prepare(&store->wait);
    send_request(request);
    if (request->was_sent) {
        redis_wait_join(&store->wait, &request->waiter);
    }
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* " 12 13": as many numbers as there are entries; returns what follows them, or NULL */
static const char *parse_totals(const char *text, uint64_t *totals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *end;

        if (*text != ' ' || text[1] < '0' || text[1] > '9') {
            return NULL;
        }
        totals[i] = strtoull(text, &end, 10);
        text = end;
    }
    return text;
}

/* "12 345": sequence and visits of a ledger entry */
static struct store_position parse_position(const char *text)
{
    struct store_position at;
    char *end;

    at.sequence = strtoull(text, &end, 10);
    at.visits = strtoull(end, NULL, 10);
    return at;
}

static void warn_of_series(struct redis_store *store, const char *site, const char *error)
{
    uint64_t now_ms = loop_now_ms(store->loop);

    if (store->series_error_logged_at_ms != 0 &&
        now_ms - store->series_error_logged_at_ms < 60000) {
        return;
    }
    store->series_error_logged_at_ms = now_ms;
    log_warning("redis: site %s: numbers by day or hour: %s; totals are not affected", site, error);
}

/* " ~ 2 5": numbers of tokens from 1; returns what follows them, or NULL */
static const char *parse_repeated(const char *text, bool *repeated, size_t count)
{
    if (!starts_with(text, " ~ ")) {
        return text;
    }
    text += 2;
    while (*text == ' ' && text[1] >= '0' && text[1] <= '9') {
        char *end;
        uint64_t number = strtoull(text, &end, 10);

        if (number == 0 || number > count) {
            return NULL;
        }
        repeated[number - 1] = true;
        text = end;
    }
    return text;
}

static void end_apply(struct request *request, const struct store_applied *applied)
{
    list_remove(&request->waiter.link);
    request->on_applied(request->data, applied);
    free(request->totals);
    free(request->repeated);
    free(request);
}

/* applied: answered now, or when the replicas have it */
static void end_confirmed(struct request *request)
{
    request->applied.replicas = request->replicas;
    request->applied.replicas_wanted = request->store->wait.replicas;
    end_apply(request, &request->applied);
}

static void on_waited(struct redis_waiter *waiter, uint64_t replicas)
{
    struct request *request = container_of(waiter, struct request, waiter);

    request->replicas = replicas;
    if (request->totals != NULL) {
        end_confirmed(request);
    }
}

static void finish_unclear(struct request *request)
{
    end_apply(request, &(struct store_applied){.outcome = STORE_UNKNOWN,
                                               .reason = "apply: a reply that is not understood"});
}

static void finish_with_totals(struct request *request, const char *text, bool duplicate)
{
    const char *rest;

    request->totals = calloc(request->count, sizeof(*request->totals));
    request->repeated = calloc(request->batch->token_count + 1, sizeof(*request->repeated));
    if (request->totals == NULL || request->repeated == NULL) {
        abort();
    }
    rest = parse_totals(text, request->totals, request->count);
    if (rest != NULL) {
        rest = parse_repeated(rest, request->repeated, request->batch->token_count);
    }
    if (rest == NULL || (*rest != '\0' && !starts_with(rest, " ! "))) {
        finish_unclear(request);
        return;
    }
    if (*rest != '\0') {
        warn_of_series(request->store, request->batch->site, rest + 3);
    }
    request->applied = (struct store_applied){.outcome = STORE_OK,
                                              .totals = request->totals,
                                              .repeated = request->repeated,
                                              .duplicate = duplicate};
    if (list_is_empty(&request->waiter.link)) {
        end_confirmed(request);
    }
}

static void finish_refused(struct request *request, const redisReply *reply)
{
    /* a demoted master: the name may lead to the new one */
    if (starts_with(reply->str, "READONLY") || starts_with(reply->str, "MASTERDOWN") ||
        starts_with(reply->str, "NOAUTH")) {
        redis_link_reset(request->store->link, reply->str);
    }
    end_apply(request, &(struct store_applied){.outcome = STORE_REFUSED, .reason = reply->str});
}

static void finish_gap(struct request *request, const char *text)
{
    end_apply(request, &(struct store_applied){.outcome = STORE_REFUSED,
                                               .gap = true,
                                               .at = parse_position(text),
                                               .reason = "the store went back in time"});
}

static void finish_apply(struct request *request, const redisReply *reply, const char *reason)
{
    if (reply == NULL) {
        end_apply(request, &(struct store_applied){.outcome = request->was_sent ? STORE_UNKNOWN
                                                                                : STORE_REFUSED,
                                                   .reason = reason});
    } else if (reply->type == REDIS_REPLY_ERROR && starts_with(reply->str, "NOSCRIPT")) {
        send_apply(request, true); /* SCRIPT FLUSH: not executed, and loaded again by this */
    } else if (reply->type == REDIS_REPLY_ERROR) {
        finish_refused(request, reply);
    } else if (reply->type != REDIS_REPLY_STRING) {
        finish_unclear(request);
    } else if (starts_with(reply->str, "OK")) {
        finish_with_totals(request, reply->str + 2, false);
    } else if (starts_with(reply->str, "DUP")) {
        finish_with_totals(request, reply->str + 3, true);
    } else if (starts_with(reply->str, "GAP ")) {
        finish_gap(request, reply->str + 4);
    } else {
        finish_unclear(request);
    }
}

static void apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    struct request *request = create_request(store, data, finish_apply);

    request->on_applied = on_applied;
    request->waiter.on_waited = on_waited;
    request->batch = batch;
    request->count = batch->entry_count;
    send_apply(request, false);
}

/* --- read and ledger --- */

static const char *reason_of(const redisReply *reply, const char *reason)
{
    if (reply == NULL) {
        return reason;
    }
    return reply->type == REDIS_REPLY_ERROR ? reply->str : "a reply that is not understood";
}

static void finish_read(struct request *request, const redisReply *reply, const char *reason)
{
    struct store_read read = {.outcome = STORE_REFUSED};
    uint64_t *totals = calloc(request->count, sizeof(*totals));

    if (totals == NULL) {
        abort();
    }
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == request->count) {
        for (size_t i = 0; i < request->count; i++) {
            const redisReply *score = reply->element[i];

            totals[i] = score->type == REDIS_REPLY_STRING ? strtoull(score->str, NULL, 10) : 0;
        }
        read.outcome = STORE_OK;
        read.totals = totals;
    } else {
        read.reason = reason_of(reply, reason);
    }
    request->on_read(request->data, &read);
    free(totals);
    free(request);
}

static void read_totals(struct store *store, const char *site, const struct store_entry *pages,
                        size_t page_count, store_on_read on_read, void *data)
{
    struct request *request = create_request(store, data, finish_read);
    struct redis_command *command = &request->store->command;

    request->on_read = on_read;
    request->count = page_count;
    redis_command_begin(command, "ZMSCORE");
    add_key(command, site, "hits");
    for (size_t i = 0; i < page_count; i++) {
        redis_command_add(command, pages[i].page, pages[i].page_length);
    }
    send_request(request);
}

static void finish_ledger(struct request *request, const redisReply *reply, const char *reason)
{
    struct store_ledger ledger = {.outcome = STORE_REFUSED};

    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        ledger.outcome = STORE_OK;
        ledger.at = parse_position(reply->str);
    } else if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
        ledger.outcome = STORE_OK;
    } else {
        ledger.reason = reason_of(reply, reason);
    }
    request->on_ledger(request->data, &ledger);
    free(request);
}

static void read_ledger(struct store *store, const char *site, const char *epoch,
                        store_on_ledger on_ledger, void *data)
{
    struct request *request = create_request(store, data, finish_ledger);
    struct redis_command *command = &request->store->command;

    request->on_ledger = on_ledger;
    redis_command_begin(command, "HGET");
    add_key(command, site, "ledger");
    redis_command_add_text(command, epoch);
    send_request(request);
}

/* --- the store itself --- */

static void health(struct store *store, struct store_health *ret_health)
{
    redis_link_health(container_of(store, struct redis_store, store)->link, ret_health);
}

static void on_change(void *data, bool ready)
{
    struct redis_store *store = data;

    store_notify(&store->store, ready);
}

static void destroy(struct store *base)
{
    struct redis_store *store = container_of(base, struct redis_store, store);

    struct redis_link *link = store->link;

    /* what is called from the callbacks of these ends is refused like the rest */
    store->link = NULL;
    store->wait.link = NULL;
    redis_link_destroy(link);
    redis_wait_finish(&store->wait);
    while (!list_is_empty(&store->unsent)) {
        on_refuse(&store->refuse);
    }
    loop_task_cancel(&store->refuse);
    stream_tls_destroy(store->tls);
    for (size_t i = 0; i < sizeof(store->strings) / sizeof(store->strings[0]); i++) {
        free(store->strings[i]);
    }
    redis_command_finish(&store->command);
    free(store);
}

static const struct store_operations operations = {apply, read_totals, read_ledger, health,
                                                   destroy};

static void copy_options(struct redis_store *store, const struct redis_store_options *options,
                         struct redis_link_options *link)
{
    store->strings[0] = strdup(options->username);
    store->strings[1] = strdup(options->password);
    snprintf(store->client_name, sizeof(store->client_name), "visitcountd-%s", options->instance);
    store->day_ttl_s = options->series_days_ms / 1000;
    store->hour_ttl_s = options->series_hours_ms / 1000;
    store->ledger_ttl_s = options->ledger_ttl_ms / 1000;
    link->address = options->address;
    link->username = store->strings[0];
    link->password = store->strings[1];
    link->db = options->db;
    link->tls = store->tls;
    link->client_name = store->client_name;
    link->script = redis_apply_lua;
    link->connect_timeout_ms = options->connect_timeout_ms;
    link->command_timeout_ms = options->command_timeout_ms;
    link->on_change = on_change;
    link->data = store;
}

struct store *redis_store_create(struct loop *loop, const struct redis_store_options *options,
                                 const char **ret_reason)
{
    struct redis_store *store = calloc(1, sizeof(*store));
    struct redis_link_options link = {0};

    if (store == NULL) {
        abort();
    }
    if (options->tls) {
        store->tls = stream_tls_create(options->tls_ca, options->address.host, ret_reason);
        if (store->tls == NULL) {
            free(store);
            return NULL;
        }
    }
    store->store.operations = &operations;
    store->loop = loop;
    list_init(&store->unsent);
    loop_task_init(&store->refuse, on_refuse);
    copy_options(store, options, &link);
    redis_wait_init(&store->wait, loop, options->wait_replicas, options->wait_timeout_ms);
    store->link = redis_link_create(loop, &link);
    store->wait.link = store->link;
    return &store->store;
}

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *redis_store_library_version(void)
{
    return TEXT_OF(HIREDIS_MAJOR) "." TEXT_OF(HIREDIS_MINOR) "." TEXT_OF(HIREDIS_PATCH);
}
