/* SPDX-License-Identifier: MIT */
/**
 * outdated: a site that an operator repaired. Its totals may have in them what we have sent, what
 * we retain and what is in the journal: nothing of that is sent again. A part of the engine: see
 * site.h.
 *
 * Each site has a generation, one more after each repair. An epoch names the generation in which it
 * began, and the store takes no epoch of an earlier one. So each instance finds out by itself, by
 * its next batch, and loses nothing of what was certainly not applied: that goes on under a new
 * epoch. Records in the journal are set aside. Where the store was away since this process began,
 * it could not know the generation: then its records go on as well, since none of them was sent.
 */
#ifndef VISITCOUNTD_COUNT_OUTDATED_H
#define VISITCOUNTD_COUNT_OUTDATED_H

#include "count/site.h"

/** The store takes the epoch of `leg` no more: the site is of `generation`. No call is open. */
void outdated_learn(struct leg *leg, uint64_t generation);

/** The site is at least of this generation: new epochs begin in it. */
void outdated_note_generation(struct site *site, uint64_t generation);

/** Fills in what of a site the operator has to judge before a repair. */
void outdated_count_doubts(const struct site *site, struct engine_doubts *ret_doubts);

/** The site was repaired through this instance, and is of this generation now. */
void outdated_note_repair(struct site *site, uint64_t generation);

/** Calls back for each site whose keys prove nothing yet, since an older version may write. */
void outdated_list_unproven(const struct engine *engine,
                            void (*on_site)(void *data, const char *site), void *data);

#endif
