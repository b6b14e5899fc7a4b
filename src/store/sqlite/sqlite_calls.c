/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_calls.h"

#include "base/require.h"

#include "base/alloc.h"
#include "store/token_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sqlite_call *call_of(struct list *link)
{
    return container_of(link, struct sqlite_call, link);
}

static int refuse(struct sqlite_call *call, const char *reason)
{
    require(reason != NULL);
    call->outcome = STORE_REFUSED;
    call->scope = STORE_SCOPE_SITE;
    call->reason = reason;
    return 0;
}

/*
 * Answers a duplicate of an earlier batch with the present totals, because the ledger keeps only
 * the last answer.
 */
static int answer_late(struct sqlite_file *file, struct sqlite_call *call)
{
    const struct store_batch *batch = &call->batch;

    for (size_t i = 0; i < batch->entry_count; i++) {
        call->answer.uniques[i] = STORE_NONE;
        if (sqlite_file_read_total(file, batch->site, &batch->entries[i],
                                   &call->answer.totals[i]) != 0) {
            return -EIO;
        }
    }
    return 0;
}

/* an entry of the batch that is being applied, or the site itself */
struct counted {
    struct store_entry entry;
    struct sqlite_page page;
    uint64_t hits; /* to add */
};

/* reads the pages of all entries and, after them, the site, and fills in the hits */
static int find_pages(struct sqlite_file *file, const struct store_batch *batch,
                      struct counted *counted)
{
    for (size_t i = 0; i <= batch->entry_count; i++) {
        counted[i].entry =
            i < batch->entry_count ? batch->entries[i] : (struct store_entry){.page = ""};
        counted[i].hits = counted[i].entry.hits;
        if (sqlite_file_find(file, batch->site, &counted[i].entry, &counted[i].page) != 0) {
            return -EIO;
        }
    }
    return 0;
}

/* sets the total of each new page that the site has no room for to STORE_NONE; others stay 0 */
static int find_refused(struct sqlite_file *file, struct sqlite_call *call,
                        const struct counted *counted)
{
    uint64_t limit = call->batch.pages_max;
    uint64_t pages = 0;
    bool is_counted = false;

    for (size_t i = 0; i < call->batch.entry_count && limit != 0; i++) {
        if (counted[i].page.id != 0) {
            continue;
        }
        if (!is_counted && sqlite_file_count_pages(file, call->batch.site, &pages) != 0) {
            return -EIO;
        }
        is_counted = true;
        if (pages >= limit) {
            call->answer.totals[i] = STORE_NONE;
        } else {
            pages++;
        }
    }
    return 0;
}

static bool fits(const struct counted *counted, uint64_t hits)
{
    int64_t sum;

    return !__builtin_add_overflow(counted->page.total, hits, &sum);
}

/* runs before anything is written; -ERANGE if a total would be too large for the database */
static int check_sums(const struct sqlite_call *call, const struct counted *counted)
{
    size_t count = call->batch.entry_count;
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (call->answer.totals[i] == STORE_NONE) {
            continue;
        }
        if (!fits(&counted[i], counted[i].hits) ||
            __builtin_add_overflow(sum, counted[i].hits, &sum)) {
            return -ERANGE;
        }
    }
    return fits(&counted[count], sum) ? 0 : -ERANGE;
}

/*
 * Returns 1 if a token was seen before, else 0 after noting it, or an error. If `finds_old`, the
 * token is also looked up in the forms of versions before this one.
 */
static int see_token(struct sqlite_file *file, const struct store_batch *batch,
                     const struct store_token *token, uint64_t page, bool finds_old)
{
    int seen = finds_old ? sqlite_file_find_old(file, batch, token, page) : 0;

    return seen == 0 ? sqlite_file_see(file, batch, token, page) : seen;
}

/* marks the tokens that were seen before and subtracts their visits from the hits to add */
static int see_tokens(struct sqlite_file *file, struct sqlite_call *call, struct counted *counted)
{
    const struct store_batch *batch = &call->batch;
    int finds_old = batch->token_count != 0 ? sqlite_file_has_old_tokens(file) : 0;
    uint64_t page = 0;

    if (finds_old < 0) {
        return finds_old;
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        const struct store_token *token = &batch->tokens[i];
        const struct store_entry *entry = &batch->entries[token->entry];
        int seen = 0;

        if (i == 0 || token->entry != batch->tokens[i - 1].entry) {
            page = token_key_page(entry->page, entry->page_length);
        }
        if (call->answer.totals[token->entry] != STORE_NONE) {
            seen = see_token(file, batch, token, page, finds_old == 1);
        }
        if (seen < 0) {
            return seen;
        }
        call->answer.duplicates[i] = seen == 1;
        counted[token->entry].hits -= (uint64_t)seen;
    }
    return 0;
}

static int add_hits(struct sqlite_file *file, const struct store_batch *batch,
                    struct counted *counted)
{
    return counted->hits != 0
               ? sqlite_file_add(file, batch, &counted->entry, counted->hits, &counted->page)
               : 0;
}

/* adds the hits to the entries' pages and their sum to the site */
static int add_all_hits(struct sqlite_file *file, struct sqlite_call *call, struct counted *counted)
{
    const struct store_batch *batch = &call->batch;
    struct counted *site = &counted[batch->entry_count];

    for (size_t i = 0; i < batch->entry_count; i++) {
        if (call->answer.totals[i] == STORE_NONE) {
            continue;
        }
        if (add_hits(file, batch, &counted[i]) != 0) {
            return -EIO;
        }
        call->answer.totals[i] = (uint64_t)counted[i].page.total;
        site->hits += counted[i].hits;
    }
    call->site_total = site->hits != 0 ? (uint64_t)site->page.total + site->hits : 0;
    return add_hits(file, batch, site);
}

/* reads the page's visitors on the batch's day if the entry wants them */
static int read_uniques(struct sqlite_file *file, struct sqlite_call *call, size_t i)
{
    const struct store_batch *batch = &call->batch;
    const struct store_query query = {.site = batch->site,
                                      .pages = &batch->entries[i],
                                      .page_count = 1,
                                      .kind = STORE_UNIQUES,
                                      .from_day = batch->day,
                                      .to_day = batch->day};

    call->answer.uniques[i] = STORE_NONE;
    return batch->entries[i].wants_uniques
               ? sqlite_file_read(file, &query, &call->answer.uniques[i])
               : 0;
}

static int meet_visitors(struct sqlite_file *file, struct sqlite_call *call,
                         const struct counted *counted)
{
    const struct store_batch *batch = &call->batch;
    const struct counted *site = &counted[batch->entry_count];
    size_t next = 0;

    for (size_t i = 0; i < batch->entry_count; i++) {
        const struct store_visitor *visitors = batch->visitors + next;
        size_t count = 0;

        while (next < batch->visitor_count && batch->visitors[next].entry == i) {
            next++;
            count++;
        }
        if (count != 0 && call->answer.totals[i] != STORE_NONE &&
            (sqlite_file_meet(file, batch, &counted[i].page, visitors, count) != 0 ||
             sqlite_file_meet(file, batch, &site->page, visitors, count) != 0)) {
            return -EIO;
        }
        if (read_uniques(file, call, i) != 0) {
            return -EIO;
        }
    }
    return 0;
}

static int add_entries(struct sqlite_file *file, struct sqlite_call *call, struct counted *counted)
{
    int error = find_pages(file, &call->batch, counted);

    if (error == 0) {
        error = find_refused(file, call, counted);
    }
    if (error == 0) {
        error = check_sums(call, counted);
    }
    if (error == 0) {
        error = see_tokens(file, call, counted);
    }
    if (error == 0) {
        error = add_all_hits(file, call, counted);
    }
    return error == 0 ? meet_visitors(file, call, counted) : error;
}

static int add_batch(struct sqlite_file *file, struct sqlite_call *call)
{
    struct counted *counted = alloc_zero(call->batch.entry_count + 1, sizeof(*counted));
    int error;

    error = add_entries(file, call, counted);
    free(counted);
    if (error == -ERANGE) {
        return refuse(call, "apply: a number is too large for the database");
    }
    if (error != 0 || sqlite_file_write_ledger(file, &call->batch, &call->answer) != 0) {
        return -EIO;
    }
    /* a new epoch triggers the deletion of old ones */
    return call->at.sequence == 0 ? sqlite_file_sweep_ledger(file) : 0;
}

static int apply(struct sqlite_file *file, struct sqlite_call *call)
{
    int known = sqlite_file_read_ledger(file, &call->batch, &call->at, &call->answer);

    if (known < 0) {
        return known;
    }
    if (call->at.sequence >= call->batch.sequence) {
        call->is_duplicate = true;
        return known ? 0 : answer_late(file, call);
    }
    if (call->at.sequence != call->batch.follows) {
        call->gap = true;
        return refuse(call, "apply: the ledger is behind: the database went back in time");
    }
    return add_batch(file, call);
}

static int edit(struct sqlite_file *file, struct sqlite_call *call)
{
    int error = sqlite_file_edit(file, call->edit, &call->numbers[0], &call->numbers[1]);

    return error == -ERANGE
               ? refuse(call, "edit: the number of the page or the site would be too large")
               : error;
}

static int admit(struct sqlite_file *file, struct sqlite_call *call)
{
    int admitted = sqlite_file_admit(file, call->site, call->number);

    call->is_admitted = admitted > 0;
    call->is_new = admitted == 2;
    return admitted < 0 ? admitted : 0;
}

static int run(struct sqlite_file *file, struct sqlite_call *call)
{
    switch (call->kind) {
    case SQLITE_CALL_APPLY:
        return apply(file, call);
    case SQLITE_CALL_READ:
        return sqlite_file_read(file, call->query, call->numbers);
    case SQLITE_CALL_SERIES:
        return sqlite_file_read_series(file, call->span, call->numbers);
    case SQLITE_CALL_TOP:
        return sqlite_file_read_top(file, call->site, call->number, &call->list);
    case SQLITE_CALL_SCAN:
        return sqlite_file_scan(file, call->site, call->after, STORE_LIST_MAX, &call->list);
    case SQLITE_CALL_SITES:
        return sqlite_file_read_sites(file, &call->list);
    case SQLITE_CALL_COUNT:
        return call->site[0] == '\0' ? sqlite_file_count_sites(file, &call->number)
                                     : sqlite_file_count_pages(file, call->site, &call->number);
    case SQLITE_CALL_LEDGER:
        return sqlite_file_read_ledger(file, &call->batch, &call->at, NULL);
    case SQLITE_CALL_EDIT:
        return edit(file, call);
    case SQLITE_CALL_ADMIT:
        return admit(file, call);
    case SQLITE_CALL_SALT:
        return sqlite_file_salt(file, call->number, call->salt);
    case SQLITE_CALL_VERSION:
        return sqlite_file_read_version(file, &call->number);
    }
    return -EINVAL;
}

static bool writes(const struct sqlite_call *call)
{
    return call->kind == SQLITE_CALL_APPLY || call->kind == SQLITE_CALL_EDIT ||
           call->kind == SQLITE_CALL_ADMIT || call->kind == SQLITE_CALL_SALT;
}

static bool any_writes(const struct list *calls)
{
    list_for_each(it, calls) {
        if (writes(call_of(it))) {
            return true;
        }
    }
    return false;
}

/* runs the calls in one transaction; `ret_failed`: the call that the tables rejected, or NULL */
static enum store_outcome run_transaction(struct sqlite_file *file, const struct list *calls,
                                          struct sqlite_call **ret_failed)
{
    *ret_failed = NULL;
    if (sqlite_file_begin(file, any_writes(calls)) != 0) {
        return STORE_REFUSED;
    }
    list_for_each(it, calls) {
        struct sqlite_call *call = call_of(it);

        if (call->is_left_out) {
            continue;
        }
        call->outcome = STORE_OK;
        if (run(file, call) != 0) {
            bool is_sites = sqlite_file_error_scope(file) == STORE_SCOPE_SITE;

            *ret_failed = is_sites ? call : NULL;
            return STORE_REFUSED;
        }
    }
    return sqlite_file_commit(file);
}

/* resets the results of a call */
static void reset(struct sqlite_call *call)
{
    call->is_duplicate = false;
    call->gap = false;
    call->site_total = 0;
    sqlite_list_finish(&call->list);
    call->list = (struct sqlite_list){0};
    if (call->kind == SQLITE_CALL_APPLY) {
        memset(call->answer.totals, 0, call->batch.entry_count * sizeof(*call->answer.totals));
    } else if (call->kind == SQLITE_CALL_SERIES) {
        memset(call->numbers, 0, (call->span->to - call->span->from + 1) * sizeof(*call->numbers));
    }
}

static void leave_out(struct sqlite_call *call, const char *reason)
{
    call->own_reason = alloc_text(reason);
    refuse(call, call->own_reason);
    call->is_left_out = true;
}

void sqlite_calls_run(struct sqlite_file *file, const struct list *calls)
{
    struct sqlite_call *failed;
    enum store_outcome outcome = run_transaction(file, calls, &failed);

    require(!list_is_empty(calls));
    while (failed != NULL) {
        sqlite_file_recover(file);
        list_for_each(it, calls) {
            if (!call_of(it)->is_left_out) {
                reset(call_of(it));
            }
        }
        leave_out(failed, sqlite_file_status(file)->error);
        outcome = run_transaction(file, calls, &failed);
    }
    if (outcome != STORE_OK) {
        sqlite_file_recover(file);
        sqlite_calls_end(calls, outcome, sqlite_file_status(file)->error);
    }
}

void sqlite_calls_end(const struct list *calls, enum store_outcome outcome, const char *reason)
{
    require(outcome != STORE_OK && reason != NULL);
    list_for_each(it, calls) {
        struct sqlite_call *call = call_of(it);
        bool in_doubt = writes(call) && call->outcome == STORE_OK;

        if (call->is_left_out) {
            continue;
        }
        call->outcome = in_doubt ? outcome : STORE_REFUSED;
        call->scope = STORE_SCOPE_SERVER;
        call->gap = false;
        call->reason = reason;
    }
}
