/* SPDX-License-Identifier: MIT */
/**
 * sim_store: an instance's link to a server of the store, with its faults. It keeps the contract of
 * store.h. It records a violation if the caller breaks that contract.
 *
 * A call is executed at one moment and answered at a later one. The answer or the request may be
 * lost. The call may be executed twice, or long after its caller got the answer `unknown`.
 */
#ifndef VISITCOUNTD_TESTS_SIM_STORE_H
#define VISITCOUNTD_TESTS_SIM_STORE_H

#include "base/list.h"
#include "sim_heed.h"
#include "sim_node.h"
#include "sim_request.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/** How bad the network is: chances per mille, times in ms. */
struct sim_store_weather {
    unsigned reply_lost;
    unsigned request_lost;
    unsigned late;
    unsigned twice;
    unsigned refused;
    uint64_t latency_ms; /* the longest */
    uint64_t timeout_ms; /* until the link gives up an answer */
    uint64_t heed_ms; /* an instance that learns of a refusal later has missed it: see sim_heed.h */
};

struct sim_store;

/**
 * Creates a store on `node` for an instance of that version. store_destroy() of its base frees it.
 */
struct sim_store *sim_store_create(struct sim_node *node, bool available,
                                   const struct sim_store_weather *weather, size_t instance,
                                   enum sim_version version);

struct store *sim_store_base(struct sim_store *store);

bool sim_store_is_available(const struct sim_store *store);

/** Whether all calls were answered, and nothing is left to be executed late. */
bool sim_store_is_quiet(const struct sim_store *store);

/** Sets the server for calls from here on. The listener gets no notification. */
void sim_store_set_node(struct sim_store *store, struct sim_node *node);
struct sim_node *sim_store_node(const struct sim_store *store);

/** Sets whether everything that this instance sends is refused. */
void sim_store_refuse(struct sim_store *store, bool refuses);

/** The node refuses `sites` (bits) from here on, or refuses nothing any more. */
void sim_store_note_refusal(struct sim_store *store, unsigned sites);
void sim_store_note_no_refusal(struct sim_store *store);

/** Whether the instance missed the last refusal of a site. */
bool sim_store_has_missed(const struct sim_store *store, size_t site);

/** Whether an answer has reported to the instance that an older version writes to a site. */
bool sim_store_knows_old(const struct sim_store *store, size_t site);

void sim_store_set_weather(struct sim_store *store, const struct sim_store_weather *weather);

/**
 * The link breaks, or is there again. Open calls end either before or after the listener learns
 * that the link broke.
 */
void sim_store_go_away(struct sim_store *store);
void sim_store_come_back(struct sim_store *store);

/** When the next event is due; UINT64_MAX if there is none. */
uint64_t sim_store_next_ms(const struct sim_store *store);

/**
 * Executes the calls that are due. Answers them too if `answers` is set: a stalled instance gets no
 * answers.
 */
void sim_store_run_due(struct sim_store *store, bool answers);

/**
 * The instance is gone, and its callbacks with it. Moves the requests that may still arrive to
 * `left`.
 */
void sim_store_orphan(struct sim_store *store, struct list *left);

#endif
