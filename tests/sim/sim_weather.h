/* SPDX-License-Identifier: MIT */
/**
 * sim_weather: how bad a run is: which faults may strike, how often, and how long they last.
 */
#ifndef VISITCOUNTD_TESTS_SIM_WEATHER_H
#define VISITCOUNTD_TESTS_SIM_WEATHER_H

#include "sim_instance.h"
#include "sim_traffic.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_climate {
    SIM_STEADY,    /* the store never goes back in time */
    SIM_CRASHING,  /* by what it applied in the last second */
    SIM_COPIED,    /* two servers take turns */
    SIM_REPLICATED /* a master has replicas that lag */
};

struct sim_weather {
    enum sim_climate climate;
    uint64_t storm_ms;             /* how long faults strike */
    uint64_t fault_ms;             /* between two of them, at most */
    uint64_t outage_ms;            /* at most */
    uint64_t stall_ms;             /* at most; 0: none */
    bool kills;                    /* instances end and die */
    uint64_t refusal_ms;           /* at most; 0: none */
    bool is_lasting;               /* little else happens while the store refuses */
    uint64_t lag_ms;               /* of replicas, at most */
    uint64_t grace_ms;             /* for which a replica that is gone is waited for */
    bool tells_replicas;           /* the server says what they have */
    bool upgrades;                 /* instances are of an older version at first */
    bool loses_keys;               /* of a site, one by one */
    bool is_calm;                  /* nothing happens but to site 0 */
    bool sets_wall;                /* the wall clocks */
    bool may_lose;                 /* batches are retained for less than the store may go back */
    struct sim_files_weather disk; /* while it is bad */
};

/** Kinds of faults that can be left out, as bits, to find out which of them a wrong run needs. */
enum sim_kind {
    SIM_KIND_REFUSALS = 1,
    SIM_KIND_REPLICAS = 2,
    SIM_KIND_KEYS = 4,
    SIM_KIND_CLOCKS = 8,
    SIM_KIND_TOKENS = 16, /* that are shared */
    SIM_KIND_CALM = 32,   /* calm runs */
    SIM_KIND_UPGRADES = 64
};

/** Leaves kinds out of all runs from here on. */
void sim_weather_leave_out(unsigned kinds);

/** Draws the weather, and what depends on it in what instances have in common and in traffic. */
void sim_weather_draw(struct sim_weather *weather, struct sim_instances *common,
                      struct sim_traffic_options *traffic);

#endif
