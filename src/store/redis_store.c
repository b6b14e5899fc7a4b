/* SPDX-License-Identifier: MIT */
#include "store/redis_store.h"

#include "base/asset.h"
#include "base/buf.h"
#include "base/log.h"
#include "store/redis_link.h"
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
    uint64_t series_error_logged_at_ms;
    char *strings[2]; /* copies of the options' */
    char client_name[96];
    char day_ttl[24];
    char hour_ttl[24];
    char ledger_ttl[24];
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

/* arguments of a command, whose strings stay where they are until it was sent */
struct arguments {
    int count;
    int capacity;
    const char **values;
    size_t *lengths;
};

static void add_bytes(struct arguments *arguments, const char *value, size_t length)
{
    if (arguments->count == arguments->capacity) {
        size_t capacity = arguments->capacity != 0 ? 2 * (size_t)arguments->capacity : 16;

        arguments->values = realloc(arguments->values, capacity * sizeof(*arguments->values));
        arguments->lengths = realloc(arguments->lengths, capacity * sizeof(*arguments->lengths));
        if (arguments->values == NULL || arguments->lengths == NULL) {
            abort();
        }
        arguments->capacity = (int)capacity;
    }
    arguments->values[arguments->count] = value;
    arguments->lengths[arguments->count++] = length;
}

static void add_text(struct arguments *arguments, const char *value)
{
    add_bytes(arguments, value, strlen(value));
}

static void send_request(struct request *request, struct arguments *arguments)
{
    struct redis_store *store = request->store;
    int error = -ENOTCONN;

    if (store->link != NULL) {
        error = redis_link_send(store->link, &request->call, arguments->count, arguments->values,
                                arguments->lengths);
    }

    request->was_sent = error == 0;
    if (error != 0) {
        list_append(&store->unsent, &request->call.link);
        loop_task_schedule(store->loop, &store->refuse);
    }
    free(arguments->values);
    free(arguments->lengths);
}

/* "vc:{site}:" and what follows; the longest is that of an hour */
#define KEY_MAX (STORE_SITE_MAX + 32)

static void format_key(char key[KEY_MAX], const char *site, const char *kind)
{
    snprintf(key, KEY_MAX, "vc:{%s}:%s", site, kind);
}

static void format_time_key(char key[KEY_MAX], const char *site, const char *format, uint64_t hour)
{
    time_t seconds = (time_t)(hour * 3600);
    struct tm utc;
    char kind[24];

    gmtime_r(&seconds, &utc);
    strftime(kind, sizeof(kind), format, &utc);
    format_key(key, site, kind);
}

/* --- apply --- */

/* a store without a link sends nothing: any name does */
static const char *script_sha(const struct redis_store *store)
{
    return store->link != NULL ? redis_link_script_sha(store->link) : "";
}

static void send_apply(struct request *request, bool with_source)
{
    const struct store_batch *batch = request->batch;
    struct redis_store *store = request->store;
    struct arguments arguments = {0};
    char hits[KEY_MAX], day[KEY_MAX], hour[KEY_MAX], ledger[KEY_MAX];
    char sequence[24];
    char(*numbers)[24] = calloc(batch->entry_count, sizeof(*numbers));

    if (numbers == NULL) {
        abort();
    }
    format_key(hits, batch->site, "hits");
    format_time_key(day, batch->site, "day:%Y%m%d", batch->hour);
    format_time_key(hour, batch->site, "hour:%Y%m%d%H", batch->hour);
    format_key(ledger, batch->site, "ledger");
    snprintf(sequence, sizeof(sequence), "%llu", (unsigned long long)batch->sequence);

    add_text(&arguments, with_source ? "EVAL" : "EVALSHA");
    add_text(&arguments, with_source ? redis_apply_lua : script_sha(store));
    add_text(&arguments, "4");
    add_text(&arguments, hits);
    add_text(&arguments, day);
    add_text(&arguments, hour);
    add_text(&arguments, ledger);
    add_text(&arguments, batch->epoch);
    add_text(&arguments, sequence);
    add_text(&arguments, store->day_ttl);
    add_text(&arguments, store->hour_ttl);
    add_text(&arguments, store->ledger_ttl);
    for (size_t i = 0; i < batch->entry_count; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "%llu",
                 (unsigned long long)batch->entries[i].hits);
        add_bytes(&arguments, batch->entries[i].page, batch->entries[i].page_length);
        add_text(&arguments, numbers[i]);
    }
    send_request(request, &arguments);
    free(numbers);
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

static void finish_with_totals(struct request *request, const char *text, bool duplicate)
{
    struct store_applied applied = {.outcome = STORE_OK, .duplicate = duplicate};
    uint64_t *totals = calloc(request->count, sizeof(*totals));
    const char *rest;

    if (totals == NULL) {
        abort();
    }
    rest = parse_totals(text, totals, request->count);
    if (rest == NULL || (*rest != '\0' && !starts_with(rest, " ! "))) {
        applied.outcome = STORE_UNKNOWN;
        applied.reason = "apply: a reply that is not understood";
    } else {
        applied.totals = totals;
        if (*rest != '\0') {
            warn_of_series(request->store, request->batch->site, rest + 3);
        }
    }
    request->on_applied(request->data, &applied);
    free(totals);
}

static void finish_refused(struct request *request, const redisReply *reply)
{
    struct store_applied applied = {.outcome = STORE_REFUSED, .reason = reply->str};

    /* a demoted master: the name may lead to the new one */
    if (starts_with(reply->str, "READONLY") || starts_with(reply->str, "MASTERDOWN") ||
        starts_with(reply->str, "NOAUTH")) {
        redis_link_reset(request->store->link, reply->str);
    }
    request->on_applied(request->data, &applied);
}

static void finish_apply(struct request *request, const redisReply *reply, const char *reason)
{
    struct store_applied applied = {.outcome = STORE_UNKNOWN, .reason = reason};

    if (reply == NULL) {
        applied.outcome = request->was_sent ? STORE_UNKNOWN : STORE_REFUSED;
        request->on_applied(request->data, &applied);
    } else if (reply->type == REDIS_REPLY_ERROR && starts_with(reply->str, "NOSCRIPT")) {
        send_apply(request, true); /* SCRIPT FLUSH: not executed, and loaded again by this */
        return;
    } else if (reply->type == REDIS_REPLY_ERROR) {
        finish_refused(request, reply);
    } else if (reply->type != REDIS_REPLY_STRING) {
        applied.reason = "apply: a reply that is not understood";
        request->on_applied(request->data, &applied);
    } else if (starts_with(reply->str, "OK")) {
        finish_with_totals(request, reply->str + 2, false);
    } else if (starts_with(reply->str, "DUP")) {
        finish_with_totals(request, reply->str + 3, true);
    } else if (starts_with(reply->str, "GAP ")) {
        applied.outcome = STORE_REFUSED;
        applied.gap = true;
        applied.sequence = strtoull(reply->str + 4, NULL, 10);
        applied.reason = "the store went back in time";
        request->on_applied(request->data, &applied);
    } else {
        applied.reason = "apply: a reply that is not understood";
        request->on_applied(request->data, &applied);
    }
    free(request);
}

static void apply(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data)
{
    struct request *request = create_request(store, data, finish_apply);

    request->on_applied = on_applied;
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
    struct arguments arguments = {0};
    char key[KEY_MAX];

    request->on_read = on_read;
    request->count = page_count;
    format_key(key, site, "hits");
    add_text(&arguments, "ZMSCORE");
    add_text(&arguments, key);
    for (size_t i = 0; i < page_count; i++) {
        add_bytes(&arguments, pages[i].page, pages[i].page_length);
    }
    send_request(request, &arguments);
}

static void finish_ledger(struct request *request, const redisReply *reply, const char *reason)
{
    struct store_ledger ledger = {.outcome = STORE_REFUSED};

    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        ledger.outcome = STORE_OK;
        ledger.sequence = strtoull(reply->str, NULL, 10);
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
    struct arguments arguments = {0};
    char key[KEY_MAX];

    request->on_ledger = on_ledger;
    format_key(key, site, "ledger");
    add_text(&arguments, "HGET");
    add_text(&arguments, key);
    add_text(&arguments, epoch);
    send_request(request, &arguments);
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
    redis_link_destroy(link);
    while (!list_is_empty(&store->unsent)) {
        on_refuse(&store->refuse);
    }
    loop_task_cancel(&store->refuse);
    stream_tls_destroy(store->tls);
    for (size_t i = 0; i < sizeof(store->strings) / sizeof(store->strings[0]); i++) {
        free(store->strings[i]);
    }
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
    snprintf(store->day_ttl, sizeof(store->day_ttl), "%llu",
             (unsigned long long)options->series_days_ms / 1000);
    snprintf(store->hour_ttl, sizeof(store->hour_ttl), "%llu",
             (unsigned long long)options->series_hours_ms / 1000);
    snprintf(store->ledger_ttl, sizeof(store->ledger_ttl), "%llu",
             (unsigned long long)options->ledger_ttl_ms / 1000);
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
    store->link = redis_link_create(loop, &link);
    return &store->store;
}

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *redis_store_library_version(void)
{
    return TEXT_OF(HIREDIS_MAJOR) "." TEXT_OF(HIREDIS_MINOR) "." TEXT_OF(HIREDIS_PATCH);
}
