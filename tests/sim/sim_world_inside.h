/* SPDX-License-Identifier: MIT */
/**
 * sim_world_inside: the world, shared by sim_world.c (time and the run), sim_servers.c (what
 * happens to the store), sim_replicas.c (its replicas), sim_sites.c (what happens to single sites)
 * and sim_strikes.c (what happens to instances). No other file includes it.
 */
#ifndef VISITCOUNTD_TESTS_SIM_WORLD_INSIDE_H
#define VISITCOUNTD_TESTS_SIM_WORLD_INSIDE_H

#include "oracle.h"
#include "sim_traffic.h"
#include "sim_weather.h"
#include "sim_world.h"

#define SIM_NODES 3

/** A node that is not the active one. */
struct sim_replica {
    bool is_replica;     /* it may take over */
    bool is_attached;    /* it gets the writes of the master */
    bool is_known;       /* the master knows it and waits for it */
    bool is_heir;        /* it is cut off and takes over at `copy_at_ms` */
    uint64_t copy_at_ms; /* its next copy; when it is not attached, the time at which it will be */
    uint64_t synced_at_ms;
    uint64_t gone_at_ms;
};

struct world {
    struct sim_weather weather;
    struct sim_instances common;
    struct sim_node nodes[SIM_NODES];
    struct sim_replica replicas[SIM_NODES];
    struct sim_node *active;       /* the one that instances connect to */
    struct sim_database *snapshot; /* the state to which a crash takes the active node back */
    uint64_t snapshot_at_ms;       /* time of the next one */
    /*
     * An old copy, from which single keys are restored. It belongs to the same history. A key from
     * another history could have the same total by chance and pass the proof.
     */
    struct sim_database *backup;
    uint64_t refuses_at_ms; /* when a planned refusal begins */
    uint64_t refusal_ends_at_ms;
    uint64_t goes_back_at_ms; /* after a refusal; until then copies get no writes */
    unsigned backup_sites;    /* bits: sites that go back to the backup when the refusal ends */
    uint64_t repair_at_ms[SIM_SITES_MAX];
    struct sim_instance instances[ORACLE_INSTANCES];
    size_t instance_count;
    size_t site_count;
    struct sim_traffic *traffic;
    bool is_quiet;
    bool may_lose; /* a replica took over that the master no longer waited for */
    unsigned jumps;
    uint64_t fault_at_ms;
    unsigned steps; /* since the clock moved */
    struct sim_tally *tally;
};

/* --- sim_world.c --- */

/** Runs a quiet world until all work is done. */
void sim_world_settle(struct world *world);

/* --- sim_servers.c --- */

/** The servers of a new world. */
void sim_servers_create(struct world *world);
void sim_servers_destroy(struct world *world);

/** When the next event of the servers is due; and handles the events that are due. */
uint64_t sim_servers_next_ms(const struct world *world);
void sim_servers_run_due(struct world *world);

/** Draws a fault of the store. */
void sim_servers_strike(struct world *world);

/** Ends all faults of the store. */
void sim_servers_mend(struct world *world);

/**
 * Breaks the link of one instance or of all, for at most `most_ms`. It comes back with `node`, or
 * with the active node.
 */
void sim_servers_cut_off(struct world *world, struct sim_instance *instance, struct sim_node *node,
                         uint64_t most_ms);
void sim_servers_cut_all_off(struct world *world, uint64_t most_ms);

/**
 * The store goes back in time. An instance that missed a refusal may have dropped batches that are
 * needed now.
 */
void sim_servers_go_back(struct world *world);

/**
 * The active node refuses `sites` (bits), or all sites with an error of the server; or refuses
 * nothing any more.
 */
void sim_servers_refuse(struct world *world, unsigned sites);
void sim_servers_end_refusal(struct world *world);

/* --- sim_replicas.c --- */

void sim_replicas_create(struct world *world);
uint64_t sim_replicas_next_ms(const struct world *world);
void sim_replicas_run_due(struct world *world);

/** Draws a fault of the replicas. */
void sim_replicas_strike(struct world *world);

/** A replica takes over, perhaps one that lags. */
void sim_replicas_promote(struct world *world);

/** Gives all replicas the master's data. */
void sim_replicas_sync_all(struct world *world);

/* --- sim_sites.c --- */

/** Draws a fault of a site: it loses a key, or the store refuses it. */
void sim_sites_strike(struct world *world);

uint64_t sim_sites_next_ms(const struct world *world);
void sim_sites_run_due(struct world *world);

/** Repairs all torn sites now. */
void sim_sites_repair_all(struct world *world);

/* --- sim_strikes.c --- */

/** Draws a fault of an instance, of its disk or of its clock. */
void sim_strikes_instance(struct world *world, struct sim_instance *instance);
void sim_strikes_disk(struct world *world, struct sim_instance *instance);
void sim_strikes_clock(struct world *world, struct sim_instance *instance);

/** In some runs instances begin with an older version, and are upgraded one by one. */
void sim_strikes_begin_old(struct world *world, struct sim_instance *instance);
void sim_strikes_upgrade(struct world *world, struct sim_instance *instance);

/** Ends a fault. */
void sim_strikes_mend_disk(struct sim_instance *instance);
void sim_strikes_mend(struct world *world, struct sim_instance *instance);

static inline uint64_t sim_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
