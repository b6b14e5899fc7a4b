/* SPDX-License-Identifier: MIT */
/**
 * sim_world: one run of the simulation: instances that count into one store, visitors and faults.
 * All of it is drawn from the seed.
 *
 * First, faults happen for some virtual seconds. Then the world becomes quiet: all faults end and
 * no more visitors come. Links break twice more, so that each instance compares its ledger with the
 * store. At the end the store must have every promised visit.
 *
 * The faults of the store differ from run to run:
 * - steady: it never goes back in time;
 * - crashing: its servers crash and lose what they applied in the last second, as Redis does with
 *   `appendfsync everysec`. They may stay away for longer than batches are retained.
 * - copied: two servers take turns. There are failovers to a replica that lagged, fail-backs to an
 *   old master, and restored snapshots. The instances may notice that or not.
 * - replicated: a master has replicas that lag, or are cut off for up to minutes. Any of them may
 *   take over, also one that lags. The master either reports how far they are, or does not.
 *
 * In all runs the store may refuse all sites or one site. A site may lose a key, and an operator
 * repairs it later. An instance's wall clock may jump.
 *
 * Some runs are calm: faults strike only site 0. Then visits of all other sites are counted.
 */
#ifndef VISITCOUNTD_TESTS_SIM_WORLD_H
#define VISITCOUNTD_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/** Counts of events in all runs. They show a kind of fault that never strikes. */
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
    uint64_t refusals;         /* of all sites by a server */
    uint64_t refusals_of_site; /* of a single site */
    uint64_t cuts;             /* of replicas from their master */
    uint64_t promotions;       /* of replicas, also ones that lag */
    uint64_t keys_lost;        /* single keys of a site */
    uint64_t torn;             /* sites that a lost key tore */
    uint64_t repairs;
    uint64_t clock_jumps;
    uint64_t upgrades; /* of instances from an older version */
    uint64_t calm_runs;
    uint64_t tokens_shared; /* between requests of two pages */
    uint64_t edges;         /* tokens at the edge of their window */
};

/**
 * Runs a seed and adds to `tally`. Returns NULL or the violation, which is valid until the next
 * run.
 */
const char *sim_world_run(uint64_t seed, struct sim_tally *tally);

#endif
