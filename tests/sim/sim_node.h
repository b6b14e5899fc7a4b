/* SPDX-License-Identifier: MIT */
/**
 * sim_node: a server of the store: what it keeps, what it refuses, and what its replicas have.
 */
#ifndef VISITCOUNTD_TESTS_SIM_NODE_H
#define VISITCOUNTD_TESTS_SIM_NODE_H

#include "sim_database.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_node {
    struct sim_database *database;
    unsigned incarnation; /* one more after each crash: what was on its way to it is gone */
    bool refuses;         /* every batch, by an error of the server */
    bool refuses_reads;   /* and every question for the ledger */
    unsigned refused;     /* bits: sites whose own keys are the error */
    /** What was answered before is on every replica; UINT64_MAX: none, or it does not tell. */
    uint64_t replicated_before_ms;
};

#endif
