/* SPDX-License-Identifier: MIT */
/**
 * resend: starts a resend when the store may have gone back in time, and drops answered batches
 * that are old enough. The ledger knows which batches the store lost. A part of the engine: see
 * site.h.
 */
#ifndef VISITCOUNTD_COUNT_RESEND_H
#define VISITCOUNTD_COUNT_RESEND_H

#include "count/site.h"

/** Starts the timer that drops old batches. */
void resend_init(struct engine *engine);

/** Stops the timer. */
void resend_finish(struct engine *engine);

/**
 * Call it when the store comes back: it may have lost batches. All lanes check before they send.
 */
void resend_require_check(struct engine *engine);

/**
 * Call it when `lane` found that the store went back in time: the store then did so for all lanes.
 * Lanes without visits to send would not find out without this.
 */
void resend_require_check_elsewhere(const struct lane *lane);

/** Counts and logs the batches that a store lacks after it went back in time. */
void resend_note_gap(struct lane *lane, const struct ledger_gap *gap);

#endif
