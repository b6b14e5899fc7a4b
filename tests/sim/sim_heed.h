/* SPDX-License-Identifier: MIT */
/**
 * sim_heed: whether an instance can know in time that the store refuses.
 *
 * An instance keeps its answered batches while the store refuses. It knows that the store refuses
 * once a batch was refused. Until then the time for which it keeps batches goes on. Where nobody
 * visits in that time, it drops batches that the store may lose, and that is no mistake: the
 * refusal was *missed*.
 */
#ifndef VISITCOUNTD_TESTS_SIM_HEED_H
#define VISITCOUNTD_TESTS_SIM_HEED_H

#include "sim_database.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_ALL_SITES ((1U << SIM_SITES_MAX) - 1)

/** By site. Zero is the state of a store that refuses nothing. */
struct sim_heed {
    bool is_refused[SIM_SITES_MAX];
    bool is_missed[SIM_SITES_MAX];
    uint64_t unknown_since_ms[SIM_SITES_MAX]; /* 0: it is known, or the link is away */
};

/** The store refuses `sites`, which are bits, from here on; `is_linked`: there is a link to it. */
void sim_heed_begin(struct sim_heed *heed, unsigned sites, bool is_linked);

/** A refusal of `sites` was answered. It was missed if it was unknown for `within_ms`. */
void sim_heed_hear(struct sim_heed *heed, unsigned sites, uint64_t within_ms);

/** A batch of `sites` was answered as applied, or the link is new: the refusal is unknown again. */
void sim_heed_forget(struct sim_heed *heed, unsigned sites);

/** The store refuses nothing any more. What was missed is known until it refuses again. */
void sim_heed_end(struct sim_heed *heed, uint64_t within_ms);

#endif
