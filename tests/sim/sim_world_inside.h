/* SPDX-License-Identifier: MIT */
/**
 * sim_world_inside: the world, shared by sim_world.c (time and the run), sim_servers.c (what
 * happens to the store), sim_replicas.c (its replicas), sim_sites.c (what happens to single sites)
 * and sim_strikes.c (what happens to instances). Nobody else includes it.
 */
#ifndef VISITCOUNTD_TESTS_SIM_WORLD_INSIDE_H
#define VISITCOUNTD_TESTS_SIM_WORLD_INSIDE_H

#include "oracle.h"
#include "sim_traffic.h"
#include "sim_weather.h"
#include "sim_world.h"

#define SIM_NODES 3

/** What a node is beside the one that is active. */
struct sim_replica {
    bool is_replica;     /* it may take over */
    bool is_attached;    /* and gets what the master does */
    bool is_known;       /* to the master, which waits for it */
    bool is_heir;        /* it is cut off, and takes over at `copy_at_ms` */
    uint64_t copy_at_ms; /* when it gets it next; when it is attached, if it is not */
    uint64_t synced_at_ms;
    uint64_t gone_at_ms;
};

struct world {
    struct sim_weather weather;
    struct sim_instances common;
    struct sim_node nodes[SIM_NODES];
    struct sim_replica replicas[SIM_NODES];
    struct sim_node *active;       /* the one that instances connect to */
    struct sim_database *snapshot; /* what the active one goes back to */
    uint64_t snapshot_at_ms;       /* the next */
    /*
     * An old copy, of which keys are restored. It is of the same history: a key of another one
     * could have the same total by chance, which proves then what is not so.
     */
    struct sim_database *backup;
    uint64_t refuses_at_ms; /* a refusal that was decided begins */
    uint64_t refusal_ends_at_ms;
    uint64_t
        goes_back_at_ms;   /* after a refusal; until then no copy gets what the active one does */
    unsigned backup_sites; /* bits: that go back to the backup when the refusal ends */
    uint64_t repair_at_ms[SIM_SITES_MAX];
    struct sim_instance instances[ORACLE_INSTANCES];
    size_t instance_count;
    size_t site_count;
    struct sim_traffic *traffic;
    bool is_quiet;
    bool may_lose; /* a replica took over that nobody waited for any more */
    unsigned jumps;
    uint64_t fault_at_ms;
    unsigned steps; /* since the clock moved */
    struct sim_tally *tally;
};

/* --- sim_world.c --- */

/** Goes on until all has its answer; in a world that is quiet. */
void sim_world_settle(struct world *world);

/* --- sim_servers.c --- */

/** The servers of a new world. */
void sim_servers_create(struct world *world);
void sim_servers_destroy(struct world *world);

/** When something is due at the servers, and does what is due. */
uint64_t sim_servers_next_ms(const struct world *world);
void sim_servers_run_due(struct world *world);

/** Something happens to the store. */
void sim_servers_strike(struct world *world);

/** All is mended. */
void sim_servers_mend(struct world *world);

/** The link of an instance, or of all, breaks; behind it is `node`, or the active one. */
void sim_servers_cut_off(struct world *world, struct sim_instance *instance, struct sim_node *node,
                         uint64_t most_ms);
void sim_servers_cut_all_off(struct world *world, uint64_t most_ms);

/** The store goes back in time: who could not know of a refusal has not kept what that takes. */
void sim_servers_go_back(struct world *world);

/** The active one refuses sites, which are bits, or all of them as a server; or nothing any more.
 */
void sim_servers_refuse(struct world *world, unsigned sites);
void sim_servers_end_refusal(struct world *world);

/* --- sim_replicas.c --- */

void sim_replicas_create(struct world *world);
uint64_t sim_replicas_next_ms(const struct world *world);
void sim_replicas_run_due(struct world *world);

/** Something happens to replicas. */
void sim_replicas_strike(struct world *world);

/** One of them takes over, which may be one that lags. */
void sim_replicas_promote(struct world *world);

/** All of them have what the master has. */
void sim_replicas_sync_all(struct world *world);

/* --- sim_sites.c --- */

/** Something happens to a site: a key is lost, or the store refuses it. */
void sim_sites_strike(struct world *world);

uint64_t sim_sites_next_ms(const struct world *world);
void sim_sites_run_due(struct world *world);

/** Torn sites are repaired now. */
void sim_sites_repair_all(struct world *world);

/* --- sim_strikes.c --- */

/** Something happens to an instance, or to its disk or clock. */
void sim_strikes_instance(struct world *world, struct sim_instance *instance);
void sim_strikes_disk(struct world *world, struct sim_instance *instance);
void sim_strikes_clock(struct world *world, struct sim_instance *instance);

/** In some runs instances begin as ones of an older version; they are replaced one by one. */
void sim_strikes_begin_old(struct world *world, struct sim_instance *instance);
void sim_strikes_upgrade(struct world *world, struct sim_instance *instance);

/** What had begun is over. */
void sim_strikes_mend_disk(struct sim_instance *instance);
void sim_strikes_mend(struct world *world, struct sim_instance *instance);

static inline uint64_t sim_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
