/* SPDX-License-Identifier: MIT */
/** sim_weather: draws which faults may strike in a run, how often, and how long they last. */
#ifndef VISITCOUNTD_TESTS_SIM_WEATHER_H
#define VISITCOUNTD_TESTS_SIM_WEATHER_H

#include "sim_instance.h"
#include "sim_traffic.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_climate {
    SIM_STEADY,    /* the store never goes back in time */
    SIM_CRASHING,  /* a crash loses what the store applied in the last second */
    SIM_COPIED,    /* two servers take turns */
    SIM_REPLICATED /* a master has replicas that lag */
};

struct sim_weather {
    enum sim_climate climate;
    uint64_t storm_ms;   /* the time in which faults strike */
    uint64_t fault_ms;   /* the longest time between two faults */
    uint64_t outage_ms;  /* at most */
    uint64_t stall_ms;   /* at most; 0: none */
    bool kills;          /* instances end and die */
    uint64_t refusal_ms; /* at most; 0: none */
    bool is_lasting;     /* few other faults strike while the store refuses */
    uint64_t lag_ms;     /* of replicas, at most */
    uint64_t grace_ms;   /* how long the master waits for a replica that is cut off */
    bool tells_replicas; /* the server reports how far they are */
    bool upgrades;       /* instances are of an older version at first */
    bool loses_keys;     /* single keys of a site get lost */
    bool is_calm;        /* faults strike only site 0 */
    bool sets_wall;      /* wall clocks jump */
    bool may_lose;       /* batches are retained for a shorter time than the store may go back */
    struct sim_files_weather disk; /* while it is bad */
};

/** Kinds of faults, as bits. Leaving one out shows whether a wrong run needs it. */
enum sim_kind {
    SIM_KIND_REFUSALS = 1,
    SIM_KIND_REPLICAS = 2,
    SIM_KIND_KEYS = 4,
    SIM_KIND_CLOCKS = 8,
    SIM_KIND_TOKENS = 16, /* shared tokens */
    SIM_KIND_CALM = 32,   /* calm runs */
    SIM_KIND_UPGRADES = 64
};

/** Leaves kinds out of all runs from here on. */
void sim_weather_leave_out(unsigned kinds);

/** Draws the weather, and the options of instances and traffic that depend on it. */
void sim_weather_draw(struct sim_weather *weather, struct sim_instances *common,
                      struct sim_traffic_options *traffic);

#endif
