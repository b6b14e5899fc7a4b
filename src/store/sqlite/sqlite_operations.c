/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_store_inside.h"

#include "store/salt.h"

/* adds a call to the next job; the caller sets its callback */
static struct waiting_call *add_call(struct sqlite_store *store, struct waiting_call *call)
{
    list_append(&store->waiting, &call->sql.link);
    store->call_count++;
    if (!store->in_flight && !store->destroyed) {
        loop_task_schedule(store->loop, &store->submit);
    }
    return call;
}

struct waiting_call *sqlite_store_add(struct store *base, enum sqlite_call_kind kind, size_t count,
                                      void *data)
{
    return add_call(sqlite_store_of(base), waiting_call_create(kind, count, data));
}

/* adds a read whose arguments and callback are set; at the end of the store there is no reader */
static void add_read(struct store *base, struct waiting_call *call, bool for_operator)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (store->reader != NULL) {
        sqlite_reader_add(store->reader, call, for_operator);
    } else {
        add_call(store, call); /* to be refused */
    }
}

void sqlite_store_apply(struct store *base, const struct store_batch *batch,
                        store_on_applied on_applied, void *data)
{
    add_call(sqlite_store_of(base), waiting_call_create_apply(batch, data))->on_applied =
        on_applied;
}

void sqlite_store_read(struct store *base, const struct store_query *query, store_on_read on_read,
                       void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_READ, query->page_count, data);

    call->sql.query = query;
    call->on_read = on_read;
    add_read(base, call, query->for_operator);
}

void sqlite_store_series(struct store *base, const struct store_span *span,
                         store_on_series on_series, void *data)
{
    struct waiting_call *call =
        waiting_call_create(SQLITE_CALL_SERIES, span->to - span->from + 1, data);

    call->sql.span = span;
    call->on_series = on_series;
    add_read(base, call, span->for_operator);
}

void sqlite_store_top(struct store *base, const struct store_ranking *ranking,
                      store_on_pages on_pages, void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_TOP, 0, data);

    call->sql.site = ranking->site;
    call->sql.number = ranking->count;
    call->on_pages = on_pages;
    add_read(base, call, ranking->for_operator);
}

void sqlite_store_scan(struct store *base, const char *site, const char *after,
                       store_on_pages on_pages, void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_SCAN, 0, data);

    call->sql.site = site;
    call->sql.after = after;
    call->on_pages = on_pages;
    add_read(base, call, true);
}

void sqlite_store_sites(struct store *base, store_on_sites on_sites, void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_SITES, 0, data);

    call->on_sites = on_sites;
    add_read(base, call, true);
}

void sqlite_store_count(struct store *base, const char *site, store_on_counted on_counted,
                        void *data)
{
    struct waiting_call *call = waiting_call_create(SQLITE_CALL_COUNT, 0, data);

    call->sql.site = site;
    call->on_counted = on_counted;
    add_read(base, call, true);
}

void sqlite_store_ledger(struct store *base, const char *site, const char *epoch,
                         store_on_ledger on_ledger, void *data)
{
    struct waiting_call *call = sqlite_store_add(base, SQLITE_CALL_LEDGER, 0, data);

    call->sql.batch.site = site;
    call->sql.batch.epoch = epoch;
    call->on_ledger = on_ledger;
}

void sqlite_store_edit(struct store *base, const struct store_edit *what, store_on_edited on_edited,
                       void *data)
{
    struct waiting_call *call = sqlite_store_add(base, SQLITE_CALL_EDIT, 2, data);

    call->sql.edit = what;
    call->on_edited = on_edited;
}

void sqlite_store_admit(struct store *base, const char *site, uint64_t limit,
                        store_on_admitted on_admitted, void *data)
{
    struct waiting_call *call = sqlite_store_add(base, SQLITE_CALL_ADMIT, 0, data);

    call->sql.site = site;
    call->sql.number = limit;
    call->on_admitted = on_admitted;
}

void sqlite_store_salt(struct store *base, uint64_t day, store_on_salt on_salt, void *data)
{
    struct waiting_call *call = sqlite_store_add(base, SQLITE_CALL_SALT, 0, data);

    call->sql.number = day;
    salt_draw(call->sql.salt);
    call->on_salt = on_salt;
}

void sqlite_store_backup(struct store *base, store_on_backup on_backup, void *data)
{
    struct sqlite_store *store = sqlite_store_of(base);

    sqlite_backup_start(&store->backup, store->disk, store->path, on_backup, data);
}

void sqlite_store_cancel_backup(struct store *base, void *data)
{
    struct sqlite_store *store = sqlite_store_of(base);

    if (sqlite_backup_is_of(store->backup, data)) {
        sqlite_backup_cancel(store->backup);
    }
}
