/* SPDX-License-Identifier: MIT */
/**
 * sim_heed: whether an instance can learn in time that the store refuses batches.
 *
 * An instance keeps its answered batches while the store refuses. It learns of the refusal when the
 * store refuses one of its batches. Until then its retention time goes on. Without visits in that
 * time, it drops batches that the store may lose. This is correct: the instance *missed* the
 * refusal.
 */
#ifndef VISITCOUNTD_TESTS_SIM_HEED_H
#define VISITCOUNTD_TESTS_SIM_HEED_H

#include "sim_database.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_ALL_SITES ((1U << SIM_SITES_MAX) - 1)

/** One entry per site. Zero is the state of a store that refuses nothing. */
struct sim_heed {
    bool is_refused[SIM_SITES_MAX];
    bool is_missed[SIM_SITES_MAX];
    uint64_t unknown_since_ms[SIM_SITES_MAX]; /* 0: the refusal is known, or there is no link */
};

/** The store refuses `sites` (bits) from here on. `is_linked`: there is a link to it. */
void sim_heed_begin(struct sim_heed *heed, unsigned sites, bool is_linked);

/**
 * The store has answered a batch with a refusal of `sites`. If the refusal was unknown for more
 * than `within_ms`, it was missed.
 */
void sim_heed_hear(struct sim_heed *heed, unsigned sites, uint64_t within_ms);

/** The store applied a batch of `sites`, or the link is new: the refusal is unknown again. */
void sim_heed_forget(struct sim_heed *heed, unsigned sites);

/** The store refuses nothing any more. `is_missed` stays until the next refusal. */
void sim_heed_end(struct sim_heed *heed, uint64_t within_ms);

#endif
