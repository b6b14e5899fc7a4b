/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_store.h"

#include "base/alloc.h"
#include "base/list.h"
#include "store/redis/redis_link.h"
#include "store/redis/redis_live.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/stream.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_refuse(struct loop_task *task)
{
    redis_request_refuse_unsent(container_of(task, struct redis_store, refuse));
}

static void health(struct store *store, struct store_health *ret_health)
{
    struct redis_store *own = container_of(store, struct redis_store, store);

    redis_link_health(own->link, ret_health);
    ret_health->warnings = own->look.warnings;
    ret_health->warning_count = own->look.warning_count;
}

static void watch(struct store *store, const char *site)
{
    redis_live_watch(container_of(store, struct redis_store, store)->live, site);
}

static void unwatch(struct store *store, const char *site)
{
    redis_live_unwatch(container_of(store, struct redis_store, store)->live, site);
}

static void on_change(void *data, bool ready)
{
    struct redis_store *store = data;

    store->missing_scripts = 0;
    store->sends_source = false;
    store_notify(&store->store, ready);
    redis_look_note(&store->look, ready);
    redis_rewrite_note(&store->rewrite, ready);
}

static void on_denied(void *data)
{
    struct redis_store *store = data;

    if (store->on_denied != NULL) {
        store->on_denied(store->on_denied_data);
    }
}

static char *copy(const char *text)
{
    char *copied = alloc_text(text);

    return copied;
}

static void free_secret(char *secret)
{
    explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void destroy(struct store *base)
{
    struct redis_store *store = container_of(base, struct redis_store, store);
    struct redis_link *link = store->link;

    /* callbacks may call the store again; without a link, these calls are refused too */
    store->link = NULL;
    store->wait.link = NULL;
    store->reads.link = NULL;
    redis_rewrite_finish(&store->rewrite);
    redis_look_finish(&store->look);
    redis_window_finish(&store->window);
    redis_live_destroy(store->live);
    redis_link_destroy(link);
    redis_wait_finish(&store->wait);
    while (!list_is_empty(&store->unsent)) {
        redis_request_refuse_unsent(store);
    }
    loop_task_cancel(&store->refuse);
    stream_tls_destroy(store->tls);
    free(store->username);
    free_secret(store->password);
    redis_command_finish(&store->command);
    buf_finish(&store->list);
    free(store);
}

static const struct store_operations operations = {
    .apply = redis_store_apply,
    .read = redis_store_read,
    .series = redis_store_series,
    .top = redis_store_top,
    .scan = redis_store_scan,
    .sites = redis_store_sites,
    .count = redis_store_count,
    .ledger = redis_store_ledger,
    .edit = redis_store_edit,
    .repair = redis_store_repair,
    .admit = redis_store_admit,
    .salt = redis_store_salt,
    .watch = watch,
    .unwatch = unwatch,
    .health = health,
    .destroy = destroy,
};

static void copy_options(struct redis_store *store, const struct redis_store_options *options,
                         struct redis_link_options *link)
{
    store->username = copy(options->link.username);
    store->password = copy(options->link.password);
    store->on_denied = options->on_denied;
    store->on_denied_data = options->on_denied_data;
    snprintf(store->client_name, sizeof(store->client_name), "visitcountd-%s", options->instance);
    store->day_ttl_s = options->series_days_ms / 1000;
    store->hour_ttl_s = options->series_hours_ms / 1000;
    store->ledger_ttl_s = options->ledger_ttl_ms / 1000;
    store->keep_tokens_s = options->keep_tokens_ms / 1000;
    store->finds_long_until_ms =
        loop_now_ms(store->loop) + UINT64_C(1000) * STORE_OLD_VERSION_S + options->keep_tokens_ms;
    *link = options->link;
    link->username = store->username;
    link->password = store->password;
    link->on_denied = on_denied;
    link->tls = store->tls;
    link->client_name = store->client_name;
    link->script = redis_apply_lua;
    link->on_change = on_change;
    link->data = store;
}

struct store *redis_store_create(struct loop *loop, const struct redis_store_options *options,
                                 const char **ret_reason)
{
    struct redis_store *store = alloc_zero(1, sizeof(*store));
    struct redis_link_options link = {0};

    if (options->tls) {
        store->tls = stream_tls_create(options->tls_ca, options->link.address.host, ret_reason);
        if (store->tls == NULL) {
            free(store);
            return NULL;
        }
    }
    store->store.operations = &operations;
    store->loop = loop;
    list_init(&store->unsent);
    redis_reads_init(&store->reads);
    loop_task_init(&store->refuse, on_refuse);
    copy_options(store, options, &link);
    redis_wait_init(&store->wait, loop, options->wait_replicas, options->wait_timeout_ms);
    address_format(&options->link.address, store->address);
    redis_window_init(&store->window, loop, &store->store, store->address);
    redis_look_init(&store->look, loop, store->address, &store->window);
    redis_rewrite_init(&store->rewrite, loop, &store->look, options->rewrites);
    store->link = redis_link_create(loop, &link);
    store->wait.link = store->link;
    store->reads.link = store->link;
    store->look.link = store->link;
    store->window.link = store->link;
    store->rewrite.link = store->link;
    store->live = redis_live_create(loop, &store->store, &link);
    return &store->store;
}

void redis_store_set_credentials(struct store *base, const char *username, const char *password)
{
    struct redis_store *store = container_of(base, struct redis_store, store);
    char *old_username = store->username;
    char *old_password = store->password;

    if (strcmp(username, old_username) == 0 && strcmp(password, old_password) == 0) {
        return;
    }
    store->username = copy(username);
    store->password = copy(password);
    redis_link_set_credentials(store->link, store->username, store->password);
    redis_live_set_credentials(store->live, store->username, store->password);
    free(old_username);
    free_secret(old_password);
}

void redis_store_set_replica_grace(struct store *base, uint64_t grace_ms)
{
    redis_link_set_replica_grace(container_of(base, struct redis_store, store)->link, grace_ms);
}

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *redis_store_library_version(void)
{
    return TEXT_OF(HIREDIS_MAJOR) "." TEXT_OF(HIREDIS_MINOR) "." TEXT_OF(HIREDIS_PATCH);
}
