/* SPDX-License-Identifier: MIT */
/**
 * ledger: our side of the ledger that the store keeps per site and epoch. It knows the next
 * sequence, and the sealed batches that the store may have lost.
 *
 * An answered sealed batch is retained for a while. A store may turn out to be behind its own
 * acknowledgements: it crashed with unsynced data, failed over to a replica that lagged, or was
 * restored from a snapshot. Then the retained sealed batches that it lacks are sent again, in
 * order, before anything else.
 *
 * Each sealed batch names the sequence that it follows. The store applies it only if that is its
 * last one. So nothing is applied twice, even if copies of the store are swapped. If a missing
 * sealed batch is no longer retained, the next sealed batch follows the store's last sequence under
 * the same epoch.
 *
 * Pure logic without input, output or a clock. It owns the retained sealed batches.
 */
#ifndef VISITCOUNTD_COUNT_LEDGER_H
#define VISITCOUNTD_COUNT_LEDGER_H

#include "base/list.h"
#include "journal/sealed_batch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
    char epoch[STORE_EPOCH_LENGTH + 1]; /* unique; see STORE_EPOCH_LENGTH */
    uint64_t generation;                /* the site's, in which the epoch began */
    uint64_t acknowledged;              /* sequence of the latest sealed batch that was answered */
    uint64_t visits;                    /* visits in all sealed batches up to that one */
    uint64_t store_at;                  /* the store's last sequence, as far as we know */
    struct list retained;               /* ordered by sequence */
    size_t retained_bytes;
    struct list *next_resend; /* next sealed batch to resend; equals &retained if there is none */
};

/** The batches that a store lacks after it went back in time. */
struct ledger_gap {
    uint64_t resend_batches; /* still retained, to be resent */
    uint64_t resend_visits;
    uint64_t lost_batches; /* no longer retained */
    uint64_t lost_visits;
};

/** Initialises a ledger with a new epoch of generation 0. */
void ledger_init(struct ledger *ledger);

/** Frees the retained sealed batches. */
void ledger_finish(struct ledger *ledger);

/**
 * Begins a new epoch of the same generation and drops the retained sealed batches. For when the
 * store may have forgotten the old epoch.
 */
void ledger_renew(struct ledger *ledger);

/** Begins a new epoch of `generation` and drops the retained sealed batches. */
void ledger_begin_generation(struct ledger *ledger, uint64_t generation);

/** Continues an epoch that an earlier run began. Call it before the first sealed_batch. */
void ledger_continue(struct ledger *ledger, const char *epoch);

/** The sealed batch to resend before any new one, or NULL. */
struct sealed_batch *ledger_next_resend(const struct ledger *ledger);

/**
 * Sets the sequence of a new sealed batch, and for each sealed batch the sequence that it follows.
 * Call it before each sending.
 */
void ledger_address(struct ledger *ledger, struct sealed_batch *sealed_batch);

/**
 * Fixes the sequence of a sealed batch before it is sent. It comes right behind `before`, or behind
 * the last answered sealed batch if that is NULL.
 */
void ledger_fix(const struct ledger *ledger, const struct sealed_batch *before,
                struct sealed_batch *sealed_batch);

/** Records that the store has `sealed_batch`, which was new. The ledger takes it over and retains
 * it. */
void ledger_acknowledge(struct ledger *ledger, struct sealed_batch *sealed_batch, uint64_t now_ms);

/** Records that the store has the sealed batch of ledger_next_resend() again. */
void ledger_note_resent(struct ledger *ledger);

/**
 * Records the position that the store reports. Returns true if the store is behind its last known
 * position. `*ret_gap` then counts the batches that we can resend and those that we cannot.
 * ledger_next_resend() returns the first one to resend.
 */
bool ledger_store_is_at(struct ledger *ledger, struct store_position at,
                        struct ledger_gap *ret_gap);

/**
 * Drops sealed batches that were answered before `before_ms` (monotonic clock), and the oldest ones
 * while all take more than `max_bytes`. Keeps those that have to be resent. Returns the number of
 * visits that were dropped only for want of room.
 */
uint64_t ledger_forget(struct ledger *ledger, uint64_t before_ms, size_t max_bytes);

#endif
