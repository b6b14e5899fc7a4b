/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_waiting.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static struct waiting_call *create(enum sqlite_call_kind kind, size_t bytes, void *data)
{
    struct waiting_call *call = alloc_zero(1, sizeof(*call) + bytes);

    call->sql.kind = kind;
    call->sql.numbers = call->numbers;
    call->data = data;
    list_init(&call->followers);
    return call;
}

struct waiting_call *waiting_call_create(enum sqlite_call_kind kind, size_t count, void *data)
{
    return create(kind, count * sizeof(uint64_t), data);
}

struct waiting_call *waiting_call_create_apply(const struct store_batch *batch, void *data)
{
    size_t numbers_size = 2 * batch->entry_count * sizeof(uint64_t);
    struct waiting_call *call =
        create(SQLITE_CALL_APPLY, numbers_size + batch->token_count * sizeof(bool), data);

    call->sql.batch = *batch;
    call->sql.answer.totals = call->numbers;
    call->sql.answer.uniques = call->numbers + batch->entry_count;
    call->sql.answer.duplicates = (bool *)(call->numbers + 2 * batch->entry_count);
    return call;
}

static void answer_apply(struct waiting_call *call, bool ok, const char *reason)
{
    const struct sqlite_call *sql = &call->sql;

    call->on_applied(call->data, &(struct store_applied){.outcome = sql->outcome,
                                                         .totals = ok ? sql->answer.totals : NULL,
                                                         .uniques = ok ? sql->answer.uniques : NULL,
                                                         .duplicate_tokens = sql->answer.duplicates,
                                                         .is_duplicate = ok && sql->is_duplicate,
                                                         .gap = !ok && sql->gap,
                                                         .at = sql->at,
                                                         .scope = sql->scope,
                                                         .reason = reason});
}

static void answer_pages(struct waiting_call *call, const struct sqlite_call *sql, bool ok,
                         const char *reason)
{
    const struct sqlite_list *list = &sql->list;
    struct store_pages pages = {.outcome = sql->outcome, .reason = reason};

    if (ok) {
        pages.pages = list->pages;
        pages.count = list->count;
        pages.next = list->has_more ? list->pages[list->count - 1].page : NULL;
    }
    call->on_pages(call->data, &pages);
}

static void answer_sites(struct waiting_call *call, bool ok, const char *reason)
{
    const struct sqlite_list *list = &call->sql.list;
    const char **names = alloc_zero(list->count + 1, sizeof(*names));

    for (size_t i = 0; i < list->count; i++) {
        names[i] = list->pages[i].page;
    }
    call->on_sites(call->data, &(struct store_sites){.outcome = call->sql.outcome,
                                                     .names = names,
                                                     .count = ok ? list->count : 0,
                                                     .reason = reason});
    free(names);
}

/* calls the callback with the result of `sql` */
static void answer_with(struct waiting_call *call, const struct sqlite_call *sql)
{
    bool ok = sql->outcome == STORE_OK;
    const uint64_t *numbers = ok ? sql->numbers : NULL;
    const char *reason = ok ? NULL : sql->reason;

    switch (sql->kind) {
    case SQLITE_CALL_APPLY:
        answer_apply(call, ok, reason);
        break;
    case SQLITE_CALL_READ:
        call->on_read(call->data, &(struct store_read){sql->outcome, numbers, reason});
        break;
    case SQLITE_CALL_SERIES:
        call->on_series(call->data,
                        &(struct store_series){sql->outcome, numbers,
                                               sql->span->to - sql->span->from + 1, reason});
        break;
    case SQLITE_CALL_TOP:
    case SQLITE_CALL_SCAN:
        answer_pages(call, sql, ok, reason);
        break;
    case SQLITE_CALL_SITES:
        answer_sites(call, ok, reason);
        break;
    case SQLITE_CALL_COUNT:
        call->on_counted(call->data,
                         &(struct store_counted){sql->outcome, ok ? sql->number : 0, reason});
        break;
    case SQLITE_CALL_LEDGER:
        call->on_ledger(call->data, &(struct store_ledger){.outcome = sql->outcome,
                                                           .at = sql->at,
                                                           .scope = sql->scope,
                                                           .reason = reason});
        break;
    case SQLITE_CALL_EDIT:
        call->on_edited(call->data, &(struct store_edited){sql->outcome, sql->numbers[0],
                                                           sql->numbers[1], reason});
        break;
    case SQLITE_CALL_ADMIT:
        call->on_admitted(call->data, &(struct store_admitted){sql->outcome, sql->is_admitted,
                                                               sql->is_new, reason});
        break;
    case SQLITE_CALL_SALT:
        call->on_salt(call->data,
                      &(struct store_salt){sql->outcome, ok ? sql->salt : NULL, reason});
        break;
    case SQLITE_CALL_VERSION:
        if (ok) {
            call->on_version(call->data, sql->number);
        }
        break;
    }
}

void waiting_call_answer(struct waiting_call *call)
{
    answer_with(call, &call->sql);
}

void waiting_call_answer_as(struct waiting_call *call, const struct waiting_call *leader)
{
    answer_with(call, &leader->sql);
}

void waiting_call_destroy(struct waiting_call *call)
{
    sqlite_list_finish(&call->sql.list);
    free(call->sql.own_reason);
    explicit_bzero(call->sql.salt, sizeof(call->sql.salt));
    free(call);
}
