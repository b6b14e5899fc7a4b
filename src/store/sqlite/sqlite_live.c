/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_store_inside.h"

/* how often a watched file is polled for changes by other processes */
#define POLL_MS 500

static void look_again(void *data, const char *site)
{
    store_notify_visits(data, site, NULL);
}

/* reports the totals that a batch of this process changed; the poll finds those of others */
static void tell_batch(struct sqlite_store *store, const struct sqlite_call *call)
{
    const struct store_batch *batch = &call->batch;
    struct store_page page = {.page = "", .page_length = 0, .total = call->site_total};

    if (call->site_total == 0 || !watchlist_has(&store->watched, batch->site)) {
        return;
    }
    store_notify_visits(&store->store, batch->site, &page);
    for (size_t i = 0; i < batch->entry_count; i++) {
        page = (struct store_page){batch->entries[i].page, batch->entries[i].page_length,
                                   call->answer.totals[i]};
        if (page.total != STORE_NONE && watchlist_has(&store->watched, batch->site)) {
            store_notify_visits(&store->store, batch->site, &page);
        }
    }
}

void sqlite_store_tell(struct sqlite_store *store, const struct sqlite_call *call)
{
    if (call->outcome != STORE_OK || watchlist_is_empty(&store->watched)) {
        return;
    }
    if (call->kind == SQLITE_CALL_APPLY) {
        tell_batch(store, call);
    } else if (call->kind == SQLITE_CALL_EDIT && watchlist_has(&store->watched, call->edit->site)) {
        look_again(&store->store, call->edit->site);
    }
}

static void on_version(void *data, uint64_t version)
{
    struct sqlite_store *store = data;

    if (version != store->version) {
        store->version = version;
        watchlist_for_each(&store->watched, look_again, &store->store);
    }
}

static void on_poll(struct loop_timer *timer)
{
    struct sqlite_store *store = container_of(timer, struct sqlite_store, poll);

    if (watchlist_is_empty(&store->watched)) {
        return;
    }
    if (store->health.available) {
        sqlite_store_add(&store->store, SQLITE_CALL_VERSION, 0, store)->on_version = on_version;
    }
    loop_timer_start(store->loop, &store->poll, POLL_MS);
}

void sqlite_store_watch(struct store *base, const char *site)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (watchlist_add(&store->watched, site)) {
        store->version = 0; /* no file has version 0, so the next poll reports a change */
        loop_timer_start(store->loop, &store->poll, 0);
    }
}

void sqlite_store_unwatch(struct store *base, const char *site)
{
    watchlist_remove(&sqlite_store_of(base)->watched, site);
}

void sqlite_store_init_watch(struct sqlite_store *store)
{
    loop_timer_init(&store->poll, on_poll);
    watchlist_init(&store->watched);
}
