/* SPDX-License-Identifier: MIT */
/**
 * flow: the visits of one site on their way through one ledger: gathered into batches, sent one at
 * a time, sent again when that is needed, and healed when the store went back in time.
 *
 * A flow knows no time and no patience of its own: its owner says when to send, when visits have
 * waited long enough, and when to forget what was answered. The owner embeds it.
 */
#ifndef VISITCOUNTD_COUNT_FLOW_H
#define VISITCOUNTD_COUNT_FLOW_H

#include "base/list.h"
#include "count/batch.h"
#include "count/ledger.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;
struct flow_call;

/** What became of one call to the store. */
enum flow_result {
    FLOW_APPLIED, /* a batch was applied: its visits were numbered */
    FLOW_HEALED,  /* a parcel that the store had lost is there again */
    FLOW_CHECKED, /* the store said where it is */
    FLOW_GAP,     /* the store was found to have gone back in time; see `gap` */
    FLOW_FAILED,  /* refused or unknown: to be sent again later */
    FLOW_OUTDATED /* the site was repaired: see flow_begin_generation() */
};

struct flow_end {
    enum flow_result result;
    bool is_duplicate;     /* applied, healed: the store had it already */
    bool is_written;       /* applied, healed: the store wrote it now */
    bool is_resent;        /* it was not the first time that this was sent */
    uint64_t hits;         /* applied, healed: visits in it */
    struct ledger_gap gap; /* FLOW_GAP */
    bool is_surprise;      /* FLOW_GAP: the store was not asked; other flows may not know yet */
    uint64_t generation;   /* FLOW_OUTDATED: of the site now */
    const char *reason;    /* FLOW_FAILED: why; gone when the callback returns */
    /**
     * FLOW_FAILED: who is refused. A batch of which nothing is known, though the store is there,
     * says nothing of other sites.
     */
    enum store_scope scope;
    bool is_torn; /* FLOW_FAILED: the site's keys contradict each other */
};

struct flow_events {
    /** A visit has its number, or is a repetition; it is out of the flow. */
    void (*on_counted)(struct flow *flow, struct visit *visit, const struct visit_answer *answer);
    /** The store has a batch; its visits were told, and it is freed when this returns. */
    void (*on_applied)(struct flow *flow, struct batch *batch, const struct store_applied *applied);
    /** A call ended, after its visits were told; flow_send() may be called again, also from here.
     */
    void (*on_end)(struct flow *flow, const struct flow_end *end);
};

/** What the answers to all flows of a site tell of versions before 0.2; the owner's. */
struct flow_old_version {
    uint64_t until_ms; /* one may have written until then, as to tokens; UINT64_MAX: not known */
};

struct flow {
    struct store *store;
    const struct flow_events *events;
    struct ledger ledger;
    struct list batches; /* that the store has not confirmed; the first may be in flight */
    struct flow_call *call;
    const struct known_visitors *known; /* whom the store need not be told; the owner's, or NULL */
    struct flow_old_version *old_version; /* or NULL: not known */
    bool must_check;       /* before anything is sent the store is asked where it is */
    bool is_heal_doubtful; /* what is sent again next was sent, and not answered */
    char site[STORE_SITE_MAX + 1];
};

/** Prepares a flow of `site` to `store`; both events are called in the loop, never from inside. */
void flow_init(struct flow *flow, struct store *store, const char *site,
               const struct flow_events *events);

/** Frees all the flow has; no visit is in it. A call that is open ends without events. */
void flow_finish(struct flow *flow);

/** Adds a visit of `page` to the batch that leaves last. */
void flow_add(struct flow *flow, const char *page, size_t page_length, struct visit *visit);

/** Whether the patience of a visit ended by `now_ms`. */
bool flow_is_overdue(const struct flow *flow, uint64_t now_ms);

/** The batch that was sent, or may have been, and is not answered; NULL when there is none. */
struct batch *flow_first_frozen(const struct flow *flow);

/** Moves the open batches to the end of another flow of the same site. */
void flow_move_open(struct flow *flow, struct flow *to);

/** Freezes a batch, behind which none is frozen, under the number that it will have. */
void flow_freeze(struct flow *flow, struct batch *batch);

/** Whether the store lacks, or may lack, what it had: this is healed, or asked, before all else. */
bool flow_may_heal(const struct flow *flow);

/** Whether there is anything that the store has to be told. */
bool flow_has_work(const struct flow *flow);

/** Whether a call is open: then nothing else is sent. */
bool flow_is_busy(const struct flow *flow);

/** Makes the next call, if there is work and none is open. */
void flow_send(struct flow *flow);

/** The store was away: what it has is looked at before anything is sent, if that can matter. */
void flow_distrust(struct flow *flow);

/** Begins a new epoch if nothing depends on the old one; for when it was unused for long. */
void flow_renew(struct flow *flow);

/**
 * The site was repaired, and is of `generation` now: a new epoch begins, and what was retained is
 * dropped. Frozen batches that are left in the flow were certainly not applied: they get new
 * numbers. No call is open.
 */
void flow_begin_generation(struct flow *flow, uint64_t generation);

/** Visits that were answered and are retained: dropped by flow_begin_generation(). */
uint64_t flow_retained_visits(const struct flow *flow);

/**
 * Moves the visits whose patience ended to one of two lists: they were certainly not counted, or
 * that is not known.
 */
void flow_expire(struct flow *flow, uint64_t now_ms, struct list *refused, struct list *unknown);

#endif
