/* SPDX-License-Identifier: MIT */
/**
 * redis_look: goes through redis_checks on a ready link: after each connect, and every minute. What
 * it finds is one line in the log per connect, and again when it changes; status and metrics have
 * it as well.
 *
 * It is a convenience. It follows what visits have to say, an error to any of its questions is
 * silent and not asked for again on that connection, and where connections end because of them, no
 * question is asked any more.
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

struct redis_look_call {
    struct redis_call call;
    struct redis_look *look;
    size_t question;
};

struct redis_look {
    struct loop *loop;
    struct redis_link *link; /* NULL when it is gone */
    const char *server;      /* for the log; the caller's */
    struct loop_timer timer; /* of a ready link: the next round */
    struct redis_look_call calls[REDIS_QUESTIONS];
    bool is_refused[REDIS_QUESTIONS]; /* on this connection */
    size_t open_count;                /* questions without an answer */
    unsigned lost_rounds;             /* in a row that ended with the connection */
    bool has_connected;               /* ever */
    bool is_first;                    /* the round after a connect */
    struct redis_facts facts;
    enum redis_finding verdicts[REDIS_CHECKS];
    char texts[REDIS_CHECKS][REDIS_FINDING_MAX];
    struct store_warning warnings[REDIS_CHECKS]; /* of the checks whose facts are known */
    size_t warning_count;
};

/** Prepares it, without a link; `server` outlives it. */
void redis_look_init(struct redis_look *look, struct loop *loop, const char *server);

/** The link is gone; call before it is destroyed. */
void redis_look_finish(struct redis_look *look);

/** The link has become ready, or is no longer. */
void redis_look_note(struct redis_look *look, bool is_ready);

#endif
