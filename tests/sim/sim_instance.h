/* SPDX-License-Identifier: MIT */
/**
 * sim_instance: one daemon of the simulation. It has a loop, a link to the store, the engine, and
 * perhaps a journal on a disk. The module starts, ends and kills it.
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

/** What the instances of a run have in common. */
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
    SIM_ENDS,           /* an orderly end; waiting visits are answered */
    SIM_IS_KILLED,      /* the process dies; written bytes stay */
    SIM_LOSES_ITS_POWER /* the machine dies; bytes that were not synced may be lost */
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

    bool may_lose;               /* it missed a refusal, see sim_heed.h */
    bool is_gone;                /* it was killed: its answers reach no visitor */
    unsigned generation;         /* how often it was started */
    enum sim_death death;        /* how it stops once sim_files_is_dead() */
    uint64_t stalled_until_ms;   /* it does not run until then */
    int64_t wall_off_ms;         /* the error of its wall clock */
    enum sim_version version;    /* that it runs from the next start on */
    uint64_t upgraded_at_ms;     /* when it changes to the new version */
    uint64_t ends_at_ms;         /* when the present fault ends */
    uint64_t disk_mended_at_ms;  /* the disk is bad until then */
    uint64_t taken, turned_away; /* since it was started */
    uint64_t told[VISIT_UNKNOWN + 1];
    uint64_t lost; /* visits that its earlier engines reported as lost */
};

/** Selects the instance whose code runs from here on: its files, its clock and its version. */
void sim_instance_enter(const struct sim_instance *instance);

/** Starts it on `node`. Records a violation if the journal cannot be opened. */
void sim_instance_start(struct sim_instance *instance, struct sim_node *node, bool available);

bool sim_instance_is_up(const struct sim_instance *instance);

/** Stops it as `death` says. */
void sim_instance_stop(struct sim_instance *instance, enum sim_death death);

/** When its next event is due. */
uint64_t sim_instance_next_ms(const struct sim_instance *instance);

/** Handles all events that are due. It may die meanwhile, see sim_files_die_after(). */
void sim_instance_run_due(struct sim_instance *instance);

/**
 * The number of records that could not be set aside yet. They wait for the next write or the next
 * start.
 */
uint64_t sim_instance_waiting_asides(const struct sim_instance *instance);

/** Whether no work is left: everything is answered, resent and replayed. */
bool sim_instance_is_done(const struct sim_instance *instance);

#endif
