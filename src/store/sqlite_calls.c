/* SPDX-License-Identifier: MIT */
#include "store/sqlite_calls.h"

#include <errno.h>
#include <stdlib.h>

static struct sqlite_call *call_of(struct list *link)
{
    return container_of(link, struct sqlite_call, link);
}

static int refuse(struct sqlite_call *call, const char *reason)
{
    call->outcome = STORE_REFUSED;
    call->reason = reason;
    return 0;
}

static int read_totals(struct sqlite_file *file, struct sqlite_call *call)
{
    const struct store_batch *batch = &call->batch;

    for (size_t i = 0; i < batch->entry_count; i++) {
        if (sqlite_file_read_total(file, batch->site, &batch->entries[i], &call->totals[i]) != 0) {
            return -EIO;
        }
    }
    return 0;
}

/* notes which tokens were seen before, and takes their visits out of `hits`, one per entry */
static int see_tokens(struct sqlite_file *file, struct sqlite_call *call, uint64_t *hits)
{
    const struct store_batch *batch = &call->batch;

    for (size_t i = 0; i < batch->entry_count; i++) {
        hits[i] = batch->entries[i].hits;
    }
    for (size_t i = 0; i < batch->token_count; i++) {
        int seen = sqlite_file_see(file, batch, &batch->tokens[i]);

        if (seen < 0) {
            return seen;
        }
        call->repeated[i] = seen == 1;
        hits[batch->tokens[i].entry] -= (uint64_t)seen;
    }
    return 0;
}

static int add_entry(struct sqlite_file *file, struct sqlite_call *call, size_t i, uint64_t hits)
{
    const struct store_batch *batch = &call->batch;

    if (hits == 0) {
        return sqlite_file_read_total(file, batch->site, &batch->entries[i], &call->totals[i]);
    }
    return sqlite_file_add(file, batch, &batch->entries[i], hits, &call->totals[i]);
}

static int add_entries(struct sqlite_file *file, struct sqlite_call *call)
{
    uint64_t *hits = calloc(call->batch.entry_count, sizeof(*hits));
    int error;

    if (hits == NULL) {
        abort();
    }
    error = see_tokens(file, call, hits);
    for (size_t i = 0; error == 0 && i < call->batch.entry_count; i++) {
        error = add_entry(file, call, i, hits[i]);
    }
    free(hits);
    return error;
}

static int add_batch(struct sqlite_file *file, struct sqlite_call *call)
{
    int error;

    if (sqlite_file_begin_batch(file) != 0) {
        return -EIO;
    }
    error = add_entries(file, call);
    if (error == -ERANGE) {
        refuse(call, "apply: a number is too large for the database");
        return sqlite_file_end_batch(file, false);
    }
    if (error != 0 ||
        sqlite_file_write_ledger(file, &call->batch, call->totals, call->repeated) != 0) {
        return -EIO;
    }
    /* a new epoch is the time to forget those that are gone */
    if (call->at.sequence == 0 && sqlite_file_sweep_ledger(file) != 0) {
        return -EIO;
    }
    return sqlite_file_end_batch(file, true);
}

static int apply(struct sqlite_file *file, struct sqlite_call *call)
{
    int known =
        sqlite_file_read_ledger(file, &call->batch, &call->at, call->totals, call->repeated);

    if (known < 0) {
        return known;
    }
    if (call->at.sequence >= call->batch.sequence) {
        call->duplicate = true;
        /* of batches before the last one only the current totals are left to tell */
        return known ? 0 : read_totals(file, call);
    }
    if (call->at.sequence != call->batch.follows) {
        call->gap = true;
        return refuse(call, "apply: the ledger is behind: the database went back in time");
    }
    return add_batch(file, call);
}

static int run(struct sqlite_file *file, struct sqlite_call *call)
{
    switch (call->kind) {
    case SQLITE_CALL_APPLY:
        return apply(file, call);
    case SQLITE_CALL_READ:
        return read_totals(file, call);
    case SQLITE_CALL_LEDGER:
        return sqlite_file_read_ledger(file, &call->batch, &call->at, NULL, NULL);
    }
    return -EINVAL;
}

static bool has_batches(const struct list *calls)
{
    list_for_each(it, calls) {
        if (call_of(it)->kind == SQLITE_CALL_APPLY) {
            return true;
        }
    }
    return false;
}

static enum store_outcome run_transaction(struct sqlite_file *file, const struct list *calls)
{
    if (sqlite_file_begin(file, has_batches(calls)) != 0) {
        return STORE_REFUSED;
    }
    list_for_each(it, calls) {
        call_of(it)->outcome = STORE_OK;
        if (run(file, call_of(it)) != 0) {
            return STORE_REFUSED;
        }
    }
    return sqlite_file_commit(file);
}

void sqlite_calls_run(struct sqlite_file *file, const struct list *calls)
{
    enum store_outcome outcome = run_transaction(file, calls);

    if (outcome != STORE_OK) {
        sqlite_file_recover(file);
        sqlite_calls_end(calls, outcome, sqlite_file_status(file)->error);
    }
}

void sqlite_calls_end(const struct list *calls, enum store_outcome outcome, const char *reason)
{
    list_for_each(it, calls) {
        struct sqlite_call *call = call_of(it);
        bool in_doubt = call->kind == SQLITE_CALL_APPLY && call->outcome == STORE_OK;

        call->outcome = in_doubt ? outcome : STORE_REFUSED;
        call->gap = false;
        call->reason = reason;
    }
}
