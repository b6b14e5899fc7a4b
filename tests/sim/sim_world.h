/* SPDX-License-Identifier: MIT */
/**
 * sim_world: one run of the simulation, all of it drawn from the seed: instances, which count into
 * one store, visitors, and faults.
 *
 * First faults happen for some virtual seconds. Then the world becomes quiet: all is mended, nobody
 * comes any more, and everything that was promised has to be found in the store. In between, links
 * break once more, so that each instance looks what the store has.
 *
 * What can happen to the store differs from run to run:
 * - steady: it never goes back in time;
 * - crashing: its servers crash and lose what they applied within the last second, as Redis does
 *   with `appendfsync everysec`; they may stay away for longer than batches are retained;
 * - copied: two servers take turns, with failover to a replica that lagged, fail-back to an old
 *   master, snapshots that are restored, with a sign of it or without;
 * - replicated: a master with replicas that lag, or are cut off for minutes; one of them, also one
 *   that lags, takes over. The master says what all of them have, or nothing of them.
 *
 * In all of them the store may refuse, as a whole or one site; one key of a site may be lost, which
 * an operator repairs later; and an instance's wall clock may jump.
 *
 * Some runs are calm: nothing happens but to site 0. Then visits of all other sites are counted.
 */
#ifndef VISITCOUNTD_TESTS_SIM_WORLD_H
#define VISITCOUNTD_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/** What happened in all runs, so that a kind of fault that never strikes is noticed. */
struct sim_tally {
    uint64_t runs;
    uint64_t requests;
    uint64_t attempts;
    uint64_t counted;
    uint64_t duplicate_visits;
    uint64_t journaled;
    uint64_t refused;
    uint64_t unknown;
    uint64_t duplicate_batches;
    uint64_t replayed;
    uint64_t resent_visits;
    uint64_t lost;
    uint64_t outages;
    uint64_t deaths;
    uint64_t rollbacks;
    uint64_t refusals;         /* by a server */
    uint64_t refusals_of_site; /* of one site by a server */
    uint64_t cuts;             /* of replicas from their master */
    uint64_t promotions;       /* of replicas, some of which lag */
    uint64_t keys_lost;        /* of a site, one by one */
    uint64_t torn;             /* sites, by that */
    uint64_t repairs;
    uint64_t clock_jumps;
    uint64_t upgrades; /* of instances from an older version */
    uint64_t calm_runs;
    uint64_t tokens_shared; /* by requests of two pages */
    uint64_t edges;         /* tokens at the edge of their window */
};

/**
 * Runs a seed and adds to `tally`. Returns NULL, or what was wrong; valid until the next run.
 */
const char *sim_world_run(uint64_t seed, struct sim_tally *tally);

#endif
