/* SPDX-License-Identifier: MIT */
/**
 * sim_instance: one daemon of the simulation: a loop, a way to the store, the engine and, where it
 * has one, a journal on a disk; and how it is started, ended and killed.
 */
#ifndef VISITCOUNTD_TESTS_SIM_INSTANCE_H
#define VISITCOUNTD_TESTS_SIM_INSTANCE_H

#include "count/engine.h"
#include "sim_files.h"
#include "sim_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NEVER UINT64_MAX

/** What instances of a run have in common, and what all of them did, by the end. */
struct sim_instances {
    struct engine_options options;
    bool has_journal;
    uint64_t journal_max_bytes;
    uint64_t disk_latency_ms;
    uint64_t absence_ms; /* between a death and the next start, at most */
    struct sim_store_weather weather;
    struct list left; /* requests of instances that are gone */
};

enum sim_death {
    SIM_ENDS,           /* in order; what waits is answered */
    SIM_IS_KILLED,      /* the process: what it had written is there */
    SIM_LOSES_ITS_POWER /* the machine: what it had not synced may be gone */
};

struct sim_instance {
    struct sim_instances *common;
    size_t number;
    struct sim_files *files; /* stays when the instance goes */
    /* NULL while it is down: */
    struct loop *loop;
    struct disk *disk;
    struct sim_store *store;
    struct engine *engine;
    struct journal *journal;

    bool may_lose;               /* it could not know of a refusal in time */
    bool is_gone;                /* its answers do not leave any more */
    unsigned generation;         /* how often it was started */
    enum sim_death death;        /* that comes when sim_files_is_dead() */
    uint64_t stalled_until_ms;   /* it does not run */
    int64_t wall_off_ms;         /* of its wall clock */
    enum sim_version version;    /* with which it is started next */
    uint64_t upgraded_at_ms;     /* when another version comes */
    uint64_t ends_at_ms;         /* of whatever a fault began */
    uint64_t disk_mended_at_ms;  /* until then it is bad */
    uint64_t taken, turned_away; /* since it was started */
    uint64_t told[VISIT_UNKNOWN + 1];
    uint64_t lost; /* visits of which its engines said so */
};

/** Its code runs from here on, with its clock and as its version. */
void sim_instance_enter(const struct sim_instance *instance);

/** Starts it on `node`. Accuses when its journal is refused. */
void sim_instance_start(struct sim_instance *instance, struct sim_node *node, bool available);

bool sim_instance_is_up(const struct sim_instance *instance);

/** It goes, in one way or another. */
void sim_instance_stop(struct sim_instance *instance, enum sim_death death);

/** When something of it is due. */
uint64_t sim_instance_next_ms(const struct sim_instance *instance);

/** Does what is due; it may die of it, when its disk was told so. */
void sim_instance_run_due(struct sim_instance *instance);

/**
 * Records that could not be set aside when that was due: they wait for the next write, or the next
 * start.
 */
uint64_t sim_instance_waiting_asides(const struct sim_instance *instance);

/** Whether nothing is left to be done: all was answered, resent and replayed. */
bool sim_instance_is_done(const struct sim_instance *instance);

#endif
