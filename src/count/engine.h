/* SPDX-License-Identifier: MIT */
/**
 * engine: turns visits into batches and batches into numbers.
 *
 * Per site at most one batch is in flight. Visits that arrive meanwhile are gathered, and leave in
 * one batch at the end of the turn in which the way is free: no timer, no added delay. The store
 * answers each page's total, and the engine hands out total-n+1 … total in the order of arrival.
 *
 * A batch that was certainly not applied is sent again, without the visits whose patience ended in
 * the meantime: these are answered as refused. A batch that may have been applied is sent again
 * unchanged under its number until the store says what became of it.
 *
 * The caller owns a `struct visit` and keeps it until on_answer() was called.
 */
#ifndef VISITCOUNTD_COUNT_ENGINE_H
#define VISITCOUNTD_COUNT_ENGINE_H

#include "base/list.h"
#include "count/stats.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct journal;
struct journal_entry;
struct journal_record;
struct journal_status;

enum visit_status {
    VISIT_COUNTED, /* in the store, exactly once */
    VISIT_REPEATED,
    /* its token had been seen before: it was counted then, and not again */
    VISIT_JOURNALED, /* on this machine's disk: it will be counted when the store is back */
    VISIT_REFUSED,   /* certainly not counted */
    VISIT_TOO_MANY_PAGES,
    /* likewise: its page is new, and the site has as many as it may have */
    VISIT_UNKNOWN /* may have been counted: the store did not say in time */
};

struct visit_answer {
    enum visit_status status;
    uint64_t count; /* VISIT_COUNTED: this visit's number; VISIT_REPEATED: the page's */
    /* VISIT_JOURNALED: an estimate of its number, 0 when there is nothing to estimate from */
    uint64_t replicas;        /* VISIT_COUNTED, VISIT_REPEATED: that have confirmed it in time, */
    uint64_t replicas_wanted; /* of how many; 0 where nobody waited for replicas */
    /**
     * VISIT_COUNTED, VISIT_REPEATED: how many visitors the page has today; STORE_NONE where that
     * was not wanted, or is not known.
     */
    uint64_t uniques;
    const char *reason; /* otherwise: why, for people; never NULL */
};

/** One visit, embedded in what waits for its number. */
struct visit {
    void (*on_answer)(struct visit *visit, const struct visit_answer *answer);
    /** What it would arrive under again, of at most STORE_TOKEN_MAX; the caller's. NULL: nothing.
     */
    const char *token;
    size_t token_length;
    enum store_window token_window;
    uint64_t second;    /* of its arrival, since 1970 */
    uint64_t day;       /* days since 1970 in the site's time zone */
    uint64_t pages_max; /* that the site may have; 0: no limit */
    uint64_t visitor;   /* hash of who visits; 0: not told apart from others */
    bool wants_uniques; /* the answer is to say how many visitors the page has that day */

    /* the engine's */
    struct list link;
    uint64_t position; /* among the page's visits of the batch, from 0 */
    uint64_t accepted_at_us;
    uint64_t deadline_ms; /* by loop_patience_ms() */
};

struct engine_options {
    uint64_t max_wait_ms;      /* patience of a visit while the store does not answer */
    uint64_t max_waiting;      /* visits that may wait at once */
    bool has_many_sites;       /* each may take a share of these places only */
    uint64_t busy_poll_us;     /* the loop stays awake for what follows a lone visit */
    uint64_t retain_ms;        /* how long answered batches are kept to heal the store with */
    uint64_t retain_max_bytes; /* of memory, per site */
    uint64_t ledger_ttl_ms;    /* after which the store forgets an epoch that is not used */
};

/** A new engine on `loop` and `store`; both outlive it. */
struct engine *engine_create(struct loop *loop, struct store *store,
                             const struct engine_options *options);

/** Answers whatever still waits and frees the engine. NULL is allowed. */
void engine_destroy(struct engine *engine);

/**
 * Gives the engine a journal, which outlives it; before the first visit. What an earlier run left
 * in it is passed to engine_restore() while it is opened.
 */
void engine_use_journal(struct engine *engine, struct journal *journal);
struct journal_entry *engine_restore(void *engine, struct journal_record *record);

/** Whether visits would go to the journal now if the store took none. */
bool engine_can_journal(const struct engine *engine);

/** The journal, for status; NULL where there is none. */
const struct journal_status *engine_journal_status(const struct engine *engine);

/** Takes over changed options. */
void engine_configure(struct engine *engine, const struct engine_options *options);

/**
 * Counts a visit of `page` (NUL-terminated, at most STORE_PAGE_MAX) on `site` (STORE_SITE_MAX).
 * Both are copied. The fields of `visit` above the engine's are set; on_answer is called later,
 * never from inside this call. Returns 0, or, with the visit certainly not counted and on_answer
 * never called: -EHOSTDOWN when the store has been away, or has refused all sites or this one, for
 * longer than max_wait_ms, or the site's keys contradict each other; -ENOBUFS when max_waiting
 * visits wait, or as many of this site as it may have; -ENOSPC when it would go to the journal,
 * which is full; -ESHUTDOWN after engine_stop().
 */
int engine_visit(struct engine *engine, const char *site, const char *page, size_t page_length,
                 struct visit *visit);

/** A visit was refused before it came here: counts it among the refused ones. */
void engine_note_refused(struct engine *engine);

/** Tells the store of all visitors again: a page, with its visitors, is no longer what it was. */
void engine_forget_visitors(struct engine *engine);

/** Memory in which acknowledged visits are kept, to be sent again to a store that lost them. */
uint64_t engine_retained_bytes(const struct engine *engine);

/** Takes no more visits; those that wait are still answered. */
void engine_stop(struct engine *engine);

/** Whether the store lacks, or may lack, what it had: that is asked, or sent again, now. */
bool engine_is_healing(const struct engine *engine);

/** The store is there but takes no batches of a site: where several are, of the longest so. */
struct engine_failure {
    const char *site; /* both are gone at the loop's next turn */
    const char *reason;
    uint64_t lasted_ms;
    uint64_t site_count; /* sites that fail */
    bool is_server_wide; /* the store refuses all sites now */
};

/** Whether there is such a failure now. */
bool engine_failure(const struct engine *engine, struct engine_failure *ret_failure);

/** How many sites have keys that contradict each other; and passes on the name of each. */
uint64_t engine_torn_count(const struct engine *engine);
void engine_list_torn(const struct engine *engine, void (*on_site)(void *data, const char *site),
                      void *data);

/**
 * Whether a visit of `site` has a chance now to be counted or journaled: not when the store was
 * found to refuse it, or all sites, a moment ago, and it cannot go to the journal. NULL: of a site
 * that does not fail by itself.
 */
bool engine_serves(const struct engine *engine, const char *site);

/**
 * Visits of a site of which only the operator can know whether a total has them in it; what of them
 * was sent before a repair is not sent again.
 */
struct engine_doubts {
    uint64_t unconfirmed; /* sent, and not answered */
    uint64_t retained;    /* answered, and kept to heal the store with */
    uint64_t journaled;   /* in the journal */
    uint64_t generation;  /* of the site, as far as it is known */
};

void engine_doubts(const struct engine *engine, const char *site, struct engine_doubts *ret_doubts);

/** The site was repaired, and is of this generation now: other instances find out by themselves. */
void engine_note_repair(struct engine *engine, const char *site, uint64_t generation);

/** Calls back for each site whose keys prove nothing yet, since an older version may write. */
void engine_list_unproven(const struct engine *engine,
                          void (*on_site)(void *data, const char *site), void *data);

/** Whether no visit waits and no batch is open. */
bool engine_is_idle(const struct engine *engine);

/**
 * Answers all waiting visits now, as refused or unknown: the end of a drain. Their batches are
 * forgotten.
 */
void engine_abandon(struct engine *engine);

/** The engine's numbers; valid as long as the engine. */
const struct stats *engine_stats(const struct engine *engine);

#endif
