/* SPDX-License-Identifier: MIT */
/**
 * world: one run of the simulation: instances of the engine that count into one database, visits
 * that arrive, and faults, all of it drawn from the seed.
 *
 * First faults happen for some virtual seconds: replies that are late, lost or never come, batches
 * that are executed late or twice or refused, outages, instances that are killed or ended in order,
 * steps of the wall clock, and in some runs a store that goes back in time. Then the world becomes
 * quiet, everybody is answered, and the oracle looks at the totals.
 */
#ifndef VISITCOUNTD_TESTS_WORLD_H
#define VISITCOUNTD_TESTS_WORLD_H

#include "oracle.h"

#include <stdbool.h>
#include <stdint.h>

/** What happened in all runs, so that a set of faults that never strikes is noticed. */
struct world_tally {
    uint64_t runs;
    uint64_t visits;
    uint64_t counted;
    uint64_t refused;
    uint64_t unknown;
    uint64_t batches;
    uint64_t resent;
    uint64_t duplicates;
    uint64_t gaps;
    uint64_t outages;
    uint64_t restarts;
    uint64_t rollbacks;
};

/**
 * Runs a seed. Returns whether nothing was wrong; otherwise `ret_violation` (256 bytes) says what.
 * Adds to `tally`.
 */
bool world_run(uint64_t seed, struct world_tally *tally, char *ret_violation);

#endif
