/* SPDX-License-Identifier: MIT */
/**
 * resend: starts a resend when the store may have gone back in time. The ledger knows which batches
 * the store lost.
 */
#ifndef VISITCOUNTD_COUNT_RESEND_H
#define VISITCOUNTD_COUNT_RESEND_H

#include "count/lane.h"

/**
 * Call it when the store comes back: it may have lost batches. All lanes check before they send.
 */
void resend_require_check(struct site_table *table);

/**
 * Call it when `lane` found that the store went back in time: the store then did so for all lanes.
 * Lanes without visits to send would not find out without this.
 */
void resend_require_check_elsewhere(const struct lane *lane);

/** Counts and logs the batches that a store lacks after it went back in time. */
void resend_note_gap(struct lane *lane, const struct ledger_gap *gap);

#endif
