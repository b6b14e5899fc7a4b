/* SPDX-License-Identifier: MIT */
/**
 * sqlite_types: what the modules of the embedded store have in common.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_TYPES_H
#define VISITCOUNTD_STORE_SQLITE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct sqlite_store_options {
    const char *path;         /* of the database; its directory is made when missing */
    uint64_t keep_tokens_ms;  /* how much longer than their windows; see store_token_ttl_s() */
    uint64_t ledger_ttl_ms;   /* ledger entries unused for longer are dropped */
    uint64_t series_days_ms;  /* how long numbers by day are kept */
    uint64_t series_hours_ms; /* how long numbers by hour are kept */
};

/** What became of the file so far. */
struct sqlite_file_status {
    bool ready;            /* open, and the last write did not find the disk full */
    char error[256];       /* the last thing that failed and why; empty when nothing did */
    uint64_t opens;        /* that succeeded */
    uint64_t transactions; /* that were begun */
    uint64_t commits;      /* of transactions that write */
    bool is_clock_far;     /* the wall clock is far after the newest day, so history is kept */
};

/** A page as it is in the file. */
struct sqlite_page {
    int64_t id; /* 0: there is none */
    int64_t total;
};

#endif
