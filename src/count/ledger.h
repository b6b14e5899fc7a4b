/* SPDX-License-Identifier: MIT */
/**
 * ledger: our side of the ledger that the store keeps per site and epoch: which parcel comes next,
 * and which ones the store may have forgotten.
 *
 * A parcel that was answered is retained for a while. When the store turns out to be behind what it
 * acknowledged (a crash with unsynced data, a failover to a replica that lagged, a restored
 * snapshot), the retained parcels that it lacks are sent again, in order, before anything else.
 *
 * Each parcel says which sequence it follows, and the store applies it only if that is what it has.
 * So nothing is applied twice, whichever copies of the store come and go; and where a missing
 * parcel is no longer retained, the next one follows what the store has, under the same epoch.
 *
 * Pure logic: no input, no output, no clock. It owns the retained parcels.
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
    char epoch[STORE_EPOCH_LENGTH + 1]; /* nobody else has the same; see STORE_EPOCH_LENGTH */
    uint64_t generation;                /* of the site, in which its epochs begin */
    uint64_t acknowledged;              /* sequence of the last parcel that was answered first */
    uint64_t visits;                    /* in the parcels up to that one */
    uint64_t store_at;                  /* the sequence that the store has, as far as we know */
    struct list retained;               /* in the order of their sequences */
    size_t retained_bytes;
    struct list *heal; /* the retained parcel to send next, or the anchor: nothing to heal */
};

/** What a store that went back in time lacks. */
struct ledger_gap {
    uint64_t heal_parcels; /* that are sent again */
    uint64_t heal_visits;
    uint64_t lost_parcels; /* that are no longer retained */
    uint64_t lost_visits;
};

/** Prepares a ledger with an epoch of its own, of generation 0, in which nothing was sent yet. */
void ledger_init(struct ledger *ledger);

/** Frees the retained parcels. */
void ledger_finish(struct ledger *ledger);

/** Begins a new epoch, when the store has had time to forget the old one; nothing is to heal. */
void ledger_renew(struct ledger *ledger);

/** Begins a new epoch of another generation. What was retained is dropped. */
void ledger_begin_generation(struct ledger *ledger, uint64_t generation);

/** Goes on with an epoch that an earlier run began. Nothing was sent yet. */
void ledger_continue(struct ledger *ledger, const char *epoch);

/** The parcel that has to be sent before any new one, or NULL. */
struct parcel *ledger_to_heal(const struct ledger *ledger);

/** Writes into a parcel under which number it goes next: anew, or again after a gap. */
void ledger_address(struct ledger *ledger, struct parcel *parcel);

/** Fixes the number of a parcel that is going to follow `before`, or the last answered one. */
void ledger_fix(const struct ledger *ledger, const struct parcel *before, struct parcel *parcel);

/** The store has `parcel`, which was new; it is retained from here on. */
void ledger_acknowledge(struct ledger *ledger, struct parcel *parcel, uint64_t now_ms);

/** The store has the parcel of ledger_to_heal(). */
void ledger_healed(struct ledger *ledger);

/**
 * The store says where it is. Returns false when that is no less than was thought, else true and
 * what is missing; what can be healed of it comes next from ledger_to_heal().
 */
bool ledger_store_is_at(struct ledger *ledger, struct store_position at,
                        struct ledger_gap *ret_gap);

/**
 * Drops what was answered before `before_ms`, and the oldest beyond `max_bytes`. Returns how many
 * visits were in those that were dropped only since there was no room.
 */
uint64_t ledger_forget(struct ledger *ledger, uint64_t before_ms, size_t max_bytes);

#endif
