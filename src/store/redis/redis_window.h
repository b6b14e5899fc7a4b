/* SPDX-License-Identifier: MIT */
/**
 * redis_window: how long Redis keeps the tokens of clients, which is shorter while its memory is
 * short. Clients can make up any number of tokens, so these give way before visits are refused.
 *
 * The window has levels: an hour, half an hour, a minute, and 0. On a level below the first, the
 * buckets that are older than the window are deleted. At 0 all are deleted and the store takes no
 * further tokens; visits without one still count. Each refusal for want of memory (OOM) lowers the
 * window by a level. Memory that is 90 % full lowers it as well, but not to 0. When memory is free
 * again, the window grows by a level each minute.
 *
 * Each instance decides for itself. They share the server, so they decide alike.
 */
#ifndef VISITCOUNTD_STORE_REDIS_WINDOW_H
#define VISITCOUNTD_STORE_REDIS_WINDOW_H

#include "loop/loop.h"
#include "store/redis/redis_checks.h"
#include "store/redis/redis_link.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_window {
    struct loop *loop;
    struct redis_link *link; /* NULL when the link was destroyed */
    struct store *store;     /* its `client_window_s` and `refuses_client_tokens` are set */
    const char *server;      /* for the log; the caller owns it */
    struct loop_timer timer; /* runs while memory may be short */
    struct redis_call call;
    bool is_open;             /* `call` is in flight */
    bool is_deleting;         /* `call` is part of a deletion */
    bool is_due;              /* a deletion must follow once `call` has ended */
    unsigned level;           /* 0: the whole window */
    uint64_t changed_at_ms;   /* the last time that the level changed, or memory was full */
    uint64_t deleted_at_ms;   /* the end of the last deletion; 0: none */
    uint64_t first_kept;      /* the oldest bucket that the last deletion kept */
    bool is_known;            /* the next two, at the last look */
    unsigned percent;         /* used share of maxmemory; 0: there is no maxmemory */
    uint64_t maxmemory;       /* bytes */
    uint64_t short_maxmemory; /* what it was when memory was short */
    char *names;              /* sites of the deletion: each with its NUL */
    size_t names_length;
    size_t names_at; /* the next one */
};

/** Initialises `window` without a link. `store` and `server` must outlive it. */
void redis_window_init(struct redis_window *window, struct loop *loop, struct store *store,
                       const char *server);

/** Detaches the link and frees what `window` owns. Call it before the link is destroyed. */
void redis_window_finish(struct redis_window *window);

/** Judges the facts that redis_look has read. */
void redis_window_judge(struct redis_window *window, const struct redis_facts *facts);

/** Notes that Redis refused a command for want of memory. */
void redis_window_note_full(struct redis_window *window);

#endif
