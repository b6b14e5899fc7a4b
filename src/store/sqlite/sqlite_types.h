/* SPDX-License-Identifier: MIT */
/** sqlite_types: types that the modules of the embedded store share. */
#ifndef VISITCOUNTD_STORE_SQLITE_TYPES_H
#define VISITCOUNTD_STORE_SQLITE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct sqlite_store_options {
    const char *path;         /* of the database; missing directories are created */
    uint64_t keep_tokens_ms;  /* beyond their windows; see store_token_ttl_s() */
    uint64_t ledger_ttl_ms;   /* ledger entries unused for longer are deleted */
    uint64_t series_days_ms;  /* how long numbers by day are kept */
    uint64_t series_hours_ms; /* how long numbers by hour are kept */
};

/** The state of the file. */
struct sqlite_file_status {
    bool ready;            /* open, and the disk was not full at the last write */
    char error[256];       /* the last failure and its reason; empty: none */
    uint64_t opens;        /* successful opens */
    uint64_t transactions; /* begun transactions */
    uint64_t commits;      /* of writing transactions */
    uint64_t erased_hour;  /* the last hour, since 1970, in which expired rows left the files */
    int log_pages;         /* length of the write-ahead log after the last commit */
    bool is_log_used;      /* a reader kept the log from being truncated */
    bool is_clock_far;     /* the wall clock is far after the newest day: history is not deleted */
};

/** A page's row in the file. */
struct sqlite_page {
    int64_t id; /* 0: the page does not exist */
    int64_t total;
};

#endif
