/* SPDX-License-Identifier: MIT */
/**
 * sqlite_calls: runs calls of store.h on the disk thread. A call holds arguments and results. This
 * module implements the rules of the ledger.
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
    SQLITE_CALL_COUNT,
    SQLITE_CALL_LEDGER,
    SQLITE_CALL_EDIT,
    SQLITE_CALL_ADMIT,
    SQLITE_CALL_SALT,
    SQLITE_CALL_VERSION
};

/** Embedded in its owner, which waits for the answer. */
struct sqlite_call {
    struct list link;
    enum sqlite_call_kind kind;
    struct store_batch batch; /* apply; ledger: site and epoch */
    const struct store_query *query;
    const struct store_span *span;
    const struct store_edit *edit;
    const char *site;  /* top, scan, count, admit */
    const char *after; /* scan */
    uint64_t number;   /* top: most pages; admit: limit; salt: day; count, version: the result */

    enum store_outcome outcome;
    bool is_left_out; /* of the transaction, because the tables rejected it */
    bool is_duplicate;
    bool gap;
    bool is_admitted;
    bool is_new;                 /* the call admitted the site */
    struct store_position at;    /* position of the ledger: ledger, or a gap */
    enum store_scope scope;      /* STORE_REFUSED: the affected sites */
    const char *reason;          /* unless STORE_OK; valid until the next use of the file */
    char *own_reason;            /* in the owner's memory; or NULL */
    struct sqlite_answer answer; /* apply; in the owner's memory */
    uint64_t site_total;         /* apply: 0 if nothing was counted */
    uint64_t *numbers;           /* read, series; edit: before and after; in the owner's memory */
    struct sqlite_list list;     /* top, scan, sites */
    char salt[STORE_SALT_LENGTH + 1];
};

/**
 * Runs a list of calls in order, in one transaction, and fills in their results. If the tables
 * reject one call, it is left out and the others run again in a new transaction. An error of the
 * file ends all calls.
 */
void sqlite_calls_run(struct sqlite_file *file, const struct list *calls);

/**
 * Ends a list of calls for a reason that affects all sites. Calls that write get `outcome`, the
 * others STORE_REFUSED. `reason` must be a string constant.
 */
void sqlite_calls_end(const struct list *calls, enum store_outcome outcome, const char *reason);

#endif
