/* SPDX-License-Identifier: MIT */
/**
 * sqlite_calls: calls of the store contract as sqlite_store carries them to the disk thread: what
 * is asked, and what came of it. The rules of the ledger are here.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_CALLS_H
#define VISITCOUNTD_STORE_SQLITE_CALLS_H

#include "base/list.h"
#include "store/sqlite/sqlite_file.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum sqlite_call_kind {
    SQLITE_CALL_APPLY,
    SQLITE_CALL_READ,
    SQLITE_CALL_SERIES,
    SQLITE_CALL_TOP,
    SQLITE_CALL_SCAN,
    SQLITE_CALL_SITES,
    SQLITE_CALL_LEDGER,
    SQLITE_CALL_EDIT,
    SQLITE_CALL_ADMIT,
    SQLITE_CALL_SALT,
    SQLITE_CALL_VERSION
};

/** Embedded in what waits for the answer, who owns it. */
struct sqlite_call {
    struct list link;
    enum sqlite_call_kind kind;
    struct store_batch batch; /* apply; ledger: site and epoch */
    const struct store_query *query;
    const struct store_span *span;
    const struct store_edit *edit;
    const char *site;  /* top, scan, admit */
    const char *after; /* scan */
    uint64_t number;   /* top: how many; admit: the limit; salt: the day; version: the answer */

    enum store_outcome outcome;
    bool is_left_out; /* of the transaction, since the tables refuse it */
    bool duplicate;
    bool gap;
    bool is_admitted;
    struct store_position at;    /* where the ledger is: ledger, or a gap */
    enum store_scope scope;      /* STORE_REFUSED: who is refused */
    const char *reason;          /* unless STORE_OK; valid until the next use of the file */
    char *own_reason;            /* the owner's memory; or NULL */
    struct sqlite_answer answer; /* apply; the owner's memory */
    uint64_t site_total;         /* apply: 0 when nothing was counted */
    uint64_t *numbers;           /* read, series; the owner's memory; edit: before and after */
    struct sqlite_list list;     /* top, scan, sites */
    char salt[STORE_SALT_LENGTH + 1];
};

/**
 * Runs a list of calls in its order in one transaction and fills in what came of each. A batch that
 * cannot be applied does not keep the others from being so: where the tables refuse one, the others
 * are run again without it. An error of the file ends all of them.
 */
void sqlite_calls_run(struct sqlite_file *file, const struct list *calls);

/**
 * Ends a list of calls for a reason that concerns all sites: what writes with `outcome`, the others
 * as refused. `reason` is a constant.
 */
void sqlite_calls_end(const struct list *calls, enum store_outcome outcome, const char *reason);

#endif
