/* SPDX-License-Identifier: MIT */
/**
 * redis_look: runs redis_checks on a ready link, after each connect and every minute. It logs each
 * problem once per connect and again when it changes. Status and metrics report the problems too.
 *
 * The checks must not disturb visits. They run after the commands that waited for the link. A
 * question that gets an error is silently dropped for this connection. If connections keep breaking
 * during the checks, no further checks run.
 */
#ifndef VISITCOUNTD_STORE_REDIS_LOOK_H
#define VISITCOUNTD_STORE_REDIS_LOOK_H

#include "loop/loop.h"
#include "store/redis/redis_checks.h"
#include "store/redis/redis_link.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct redis_look;
struct redis_window;

struct redis_look_call {
    struct redis_call call;
    struct redis_look *look;
    size_t question;
};

struct redis_look {
    struct loop *loop;
    struct redis_link *link;     /* NULL when the link was destroyed */
    const char *server;          /* for the log; the caller owns it */
    struct redis_window *window; /* gets the facts of each round */
    struct loop_timer timer;     /* for the next round; a ready link only */
    struct redis_look_call calls[REDIS_QUESTIONS];
    bool is_refused[REDIS_QUESTIONS]; /* got an error on this connection */
    size_t open_count;                /* questions in flight */
    unsigned lost_rounds;             /* consecutive rounds that the connection did not survive */
    bool has_connected;               /* ever */
    bool is_first;                    /* this is the first round after a connect */
    struct redis_facts facts;
    bool has_rewrite;                  /* `rewrite` is known on this connection */
    char rewrite[REDIS_FACT_TEXT_MAX]; /* the problem of redis_rewrite; empty: none */
    enum redis_finding verdicts[REDIS_CHECKS];
    char texts[REDIS_CHECKS][REDIS_FINDING_MAX];
    struct store_warning warnings[REDIS_CHECKS]; /* the checks whose facts are known */
    size_t warning_count;
};

/** Initialises `look` without a link. `server` and `window` must outlive it. */
void redis_look_init(struct redis_look *look, struct loop *loop, const char *server,
                     struct redis_window *window);

/** Detaches the link. Call it before the link is destroyed. */
void redis_look_finish(struct redis_look *look);

/** Sets the problem of redis_rewrite, "" for none, which the check "rewrite" reports. */
void redis_look_set_rewrite(struct redis_look *look, const char *problem);

/** Notes that the link became ready, or no longer is. */
void redis_look_note(struct redis_look *look, bool is_ready);

#endif
