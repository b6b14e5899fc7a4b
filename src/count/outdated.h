/* SPDX-License-Identifier: MIT */
/**
 * outdated: handles a site that an operator repaired. Its totals may include visits that we have
 * sent, that we retain, or that are in the journal. None of these is sent again.
 *
 * Each site has a generation, which grows by one with each repair. An epoch names the generation in
 * which it began. The store refuses epochs of earlier generations, so each instance finds out with
 * its next batch. Batches that were certainly not applied continue under a new epoch. Records in
 * the journal are set aside. Exception: if the store was away since this process began, the process
 * could not know the generation. Then its own records continue as well, because none of them was
 * sent.
 */
#ifndef VISITCOUNTD_COUNT_OUTDATED_H
#define VISITCOUNTD_COUNT_OUTDATED_H

#include "count/spill.h"

/** Records that the store accepts the epoch of `lane`: the site's generation is known. */
static inline void outdated_note_accepted(struct lane *lane)
{
    lane->is_blind = false;
    lane->site->generation.is_known = true;
}

/**
 * Records that the store refuses the epoch of `lane` because the site is of `generation`. No call
 * of the lane may be open.
 */
void outdated_learn(struct spill *spill, struct lane *lane, uint64_t generation);

/**
 * Records that the site is at least of `generation`. The lanes of this run begin new epochs in it.
 */
void outdated_note_generation(struct spill *spill, struct site *site, uint64_t generation);

/** Fills in the visits of a site that an operator has to judge before a repair. */
void outdated_count_doubts(const struct site *site, struct engine_doubts *ret_doubts);

/** Records that the site was repaired through this instance and is of `generation` now. */
void outdated_note_repair(struct spill *spill, struct site *site, uint64_t generation);

/**
 * Calls `on_site` for each site to which a version before 0.2 may still write. The keys of such a
 * site prove nothing yet.
 */
void outdated_list_unproven(const struct site_table *table,
                            void (*on_site)(void *data, const char *site), void *data);

#endif
