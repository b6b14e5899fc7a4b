/* SPDX-License-Identifier: MIT */
/**
 * sqlite_calls: calls of the store contract as sqlite_store carries them to the disk thread: what
 * is asked, and what came of it. The rules of the ledger are here.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_CALLS_H
#define VISITCOUNTD_STORE_SQLITE_CALLS_H

#include "base/list.h"
#include "store/sqlite_file.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum sqlite_call_kind { SQLITE_CALL_APPLY, SQLITE_CALL_READ, SQLITE_CALL_LEDGER };

/** Embedded in what waits for the answer, who owns it. */
struct sqlite_call {
    struct list link;
    enum sqlite_call_kind kind;
    struct store_batch batch; /* read: site and entries; ledger: site and epoch */

    enum store_outcome outcome;
    bool duplicate;
    bool gap;
    struct store_position at; /* where the ledger is: ledger, or a gap */
    const char *reason;       /* unless STORE_OK; valid until the next use of the file */
    uint64_t *totals;         /* one per entry; the owner's memory */
    bool *repeated;           /* one per token; likewise */
};

/**
 * Runs a list of calls in its order in one transaction and fills in what came of each. A batch that
 * cannot be applied does not keep the others from being so; an error of the file ends all of them.
 */
void sqlite_calls_run(struct sqlite_file *file, const struct list *calls);

/** Ends a list of calls: batches with `outcome`, the others as refused. `reason` is a constant. */
void sqlite_calls_end(const struct list *calls, enum store_outcome outcome, const char *reason);

#endif
