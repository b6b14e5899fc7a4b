/* SPDX-License-Identifier: MIT */
/**
 * ledger: our side of the ledger that the store keeps per site and epoch. It knows the next
 * sequence, and the parcels that the store may have lost.
 *
 * An answered parcel is retained for a while. A store may turn out to be behind its own
 * acknowledgements: it crashed with unsynced data, failed over to a replica that lagged, or was
 * restored from a snapshot. Then the retained parcels that it lacks are sent again, in order,
 * before anything else.
 *
 * Each parcel names the sequence that it follows. The store applies it only if that is its last
 * one. So nothing is applied twice, even if copies of the store are swapped. If a missing parcel is
 * no longer retained, the next parcel follows the store's last sequence under the same epoch.
 *
 * Pure logic without input, output or a clock. It owns the retained parcels.
 */
#ifndef VISITCOUNTD_COUNT_LEDGER_H
#define VISITCOUNTD_COUNT_LEDGER_H

#include "base/list.h"
#include "journal/parcel.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger {
    char epoch[STORE_EPOCH_LENGTH + 1]; /* unique; see STORE_EPOCH_LENGTH */
    uint64_t generation;                /* the site's, in which the epoch began */
    uint64_t acknowledged;              /* sequence of the latest parcel that was answered */
    uint64_t visits;                    /* visits in all parcels up to that one */
    uint64_t store_at;                  /* the store's last sequence, as far as we know */
    struct list retained;               /* ordered by sequence */
    size_t retained_bytes;
    struct list *heal; /* next parcel to resend; equals &retained if there is none */
};

/** The batches that a store lacks after it went back in time. */
struct ledger_gap {
    uint64_t heal_parcels; /* still retained, to be resent */
    uint64_t heal_visits;
    uint64_t lost_parcels; /* no longer retained */
    uint64_t lost_visits;
};

/** Initialises a ledger with a new epoch of generation 0. */
void ledger_init(struct ledger *ledger);

/** Frees the retained parcels. */
void ledger_finish(struct ledger *ledger);

/**
 * Begins a new epoch of the same generation and drops the retained parcels. For when the store may
 * have forgotten the old epoch.
 */
void ledger_renew(struct ledger *ledger);

/** Begins a new epoch of `generation` and drops the retained parcels. */
void ledger_begin_generation(struct ledger *ledger, uint64_t generation);

/** Continues an epoch that an earlier run began. Call it before the first parcel. */
void ledger_continue(struct ledger *ledger, const char *epoch);

/** The parcel to resend before any new one, or NULL. */
struct parcel *ledger_to_heal(const struct ledger *ledger);

/**
 * Sets the sequence of a new parcel, and for each parcel the sequence that it follows. Call it
 * before each sending.
 */
void ledger_address(struct ledger *ledger, struct parcel *parcel);

/**
 * Fixes the sequence of a parcel before it is sent. It comes right behind `before`, or behind the
 * last answered parcel if that is NULL.
 */
void ledger_fix(const struct ledger *ledger, const struct parcel *before, struct parcel *parcel);

/** Records that the store has `parcel`, which was new. The ledger takes it over and retains it. */
void ledger_acknowledge(struct ledger *ledger, struct parcel *parcel, uint64_t now_ms);

/** Records that the store has the parcel of ledger_to_heal() again. */
void ledger_healed(struct ledger *ledger);

/**
 * Records the position that the store reports. Returns true if the store is behind its last known
 * position. `*ret_gap` then counts the batches that we can resend and those that we cannot.
 * ledger_to_heal() returns the first one to resend.
 */
bool ledger_store_is_at(struct ledger *ledger, struct store_position at,
                        struct ledger_gap *ret_gap);

/**
 * Drops parcels that were answered before `before_ms` (monotonic clock), and the oldest ones while
 * all take more than `max_bytes`. Keeps those that have to be resent. Returns the number of visits
 * that were dropped only for want of room.
 */
uint64_t ledger_forget(struct ledger *ledger, uint64_t before_ms, size_t max_bytes);

#endif
