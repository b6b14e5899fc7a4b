/* SPDX-License-Identifier: MIT */
/** sim_node: a server of the store: its data, its refusals, and how far its replicas are. */
#ifndef VISITCOUNTD_TESTS_SIM_NODE_H
#define VISITCOUNTD_TESTS_SIM_NODE_H

#include "sim_database.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_node {
    struct sim_database *database;
    unsigned incarnation; /* grows with each crash, which loses requests under way */
    bool refuses;         /* refuses every batch with an error of the server */
    bool refuses_reads;   /* and refuses every question for the ledger */
    unsigned refused;     /* bits: refused sites, with an error of their own keys */
    /**
     * Every replica has all that was answered before. UINT64_MAX: no replicas, or it does not
     * report them.
     */
    uint64_t replicated_before_ms;
};

#endif
