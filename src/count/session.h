/* SPDX-License-Identifier: MIT */
/**
 * session: a session: the batches of a lane under one epoch. It gathers visits into batches, sends
 * one batch at a time, repeats it after a failure, and resends batches that the store lost.
 *
 * A session has no timers. Its owner decides when to send, when visits have timed out, and when
 * answered batches are dropped. The owner embeds it.
 */
#ifndef VISITCOUNTD_COUNT_SESSION_H
#define VISITCOUNTD_COUNT_SESSION_H

#include "base/list.h"
#include "count/batch.h"
#include "count/ledger.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct session_call;

/** The result of one call to the store. */
enum session_result {
    SESSION_APPLIED, /* a batch was applied and its visits were numbered */
    SESSION_RESENT,  /* the store has a sealed batch again that it had lost */
    SESSION_CHECKED, /* the store reported its position */
    SESSION_GAP,     /* the store turned out to have gone back in time; see `gap` */
    SESSION_FAILED,  /* refused or unknown: has to be sent again later */
    SESSION_OUTDATED /* the site was repaired: see session_begin_generation() */
};

struct session_end {
    enum session_result result;
    /** APPLIED: the batch, with its visits. The caller ends it with session_finish_batch(). */
    struct batch *batch;
    bool is_duplicate;     /* APPLIED, HEALED: the store already had it */
    bool is_written;       /* APPLIED, HEALED: the store wrote it now */
    bool is_retried;       /* APPLIED: it had been sent before */
    uint64_t hits;         /* APPLIED, HEALED, GAP: visits that the store is now known to have */
    struct ledger_gap gap; /* GAP: the batches that the store lacks */
    bool is_surprise;      /* GAP: found without asking; other sessions may not know yet */
    uint64_t generation;   /* OUTDATED: the site's generation now */
    const char *reason;    /* FAILED: why; valid as long as the answer */
    /**
     * FAILED: whether this site or all sites are refused. A reachable store that does not confirm a
     * batch counts as a failure of this site only.
     */
    enum store_scope scope;
    bool is_torn; /* FAILED: the site's keys contradict each other */
};

/**
 * The callbacks for the store's answers. `data` is the struct session_call. They pass it on to
 * session_end_apply() or session_end_check().
 */
struct session_events {
    store_on_applied on_applied;
    store_on_ledger on_ledger;
};

/**
 * The time until which tokens have to be looked up in their old form, since a version before 0.2
 * may have written to the site. It comes from the answers to all sessions of the site. The owner's.
 */
struct session_old_version {
    uint64_t until_ms; /* when the old form of tokens ends; 0: it has; UINT64_MAX: not known */
};

struct session {
    struct store *store;
    const struct session_events *events;
    struct ledger ledger;
    struct list batches; /* not confirmed by the store; the first may be in flight */
    struct session_call *call;
    const struct known_visitors *known; /* visitors already in the store; the owner's, or NULL */
    struct session_old_version *old_version; /* NULL: not known */
    bool must_check;         /* the store's position has to be read before the next batch */
    bool is_resend_doubtful; /* the sealed batch to resend was sent at least once without an answer
                              */
    char site[STORE_SITE_MAX + 1];
};

/**
 * Initialises a session of `site` to `store`. The store calls `events` in the loop, never from
 * inside a function of the session.
 */
void session_init(struct session *session, struct store *store, const char *site,
                  const struct session_events *events);

/**
 * Frees the contents of the session, which must have no visits left. A call that is open ends
 * without a callback.
 */
void session_finish(struct session *session);

/** Adds a visit of `page` to the last batch, or to a new one behind it. */
void session_add(struct session *session, const char *page, size_t page_length,
                 struct visit *visit);

/** Whether a visit has timed out by `now_ms`. */
bool session_is_overdue(const struct session *session, uint64_t now_ms);

/**
 * The first batch if it is sealed: it was sent or goes to the journal, and the store has not
 * confirmed it. Else NULL.
 */
struct batch *session_first_sealed(const struct session *session);

/** Moves the open batches to the end of another session of the same site. */
void session_move_open(struct session *session, struct session *to);

/**
 * Seals a batch for the journal and fixes its sequence. All batches before it are sealed, none
 * behind it is.
 */
void session_seal(struct session *session, struct batch *batch);

/**
 * Whether the store's position has to be checked, or lost batches have to be resent, before
 * anything else.
 */
bool session_may_resend(const struct session *session);

/** Whether there is anything to send to the store. */
bool session_has_work(const struct session *session);

/** Whether a call is open. Then nothing else is sent. */
bool session_is_busy(const struct session *session);

/**
 * Ends a call that applies a batch, or one that asks for the position, with the store's answer.
 * Frees the call and fills in what the answer means. Returns the session, or NULL if it is gone:
 * then there is nothing to do.
 */
struct session *session_end_apply(struct session_call *call, const struct store_applied *applied,
                                  struct session_end *ret_end);
struct session *session_end_check(struct session_call *call, const struct store_ledger *ledger,
                                  struct session_end *ret_end);

/**
 * Retains the content of an applied batch, and frees the batch. Its visits were answered with
 * batch_answer().
 */
void session_finish_batch(struct session *session, struct batch *batch,
                          const struct store_applied *applied);

/** Makes the next call, if there is work and no call is open. */
void session_send(struct session *session);

/**
 * Call it when the store comes back. If batches are retained, the session checks the store's
 * position before it sends anything.
 */
void session_require_check(struct session *session);

/** Begins a new epoch if nothing depends on the old one. For a session that was unused for long. */
void session_renew(struct session *session);

/**
 * Begins a new epoch of `generation` after the site was repaired. Drops the retained batches.
 * Sealed batches that are left in the session were certainly not applied, and get new sequences. No
 * call may be open.
 */
void session_begin_generation(struct session *session, uint64_t generation);

/** Visits in the retained batches. session_begin_generation() drops these. */
uint64_t session_retained_visits(const struct session *session);

/**
 * Moves the visits that have timed out by `now_ms` to the end of `refused` (certainly not counted)
 * or of `unknown` (may have been counted).
 */
void session_expire(struct session *session, uint64_t now_ms, struct list *refused,
                    struct list *unknown);

#endif
