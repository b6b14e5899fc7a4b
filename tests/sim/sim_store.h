/* SPDX-License-Identifier: MIT */
/**
 * sim_store: an instance's way to a server of the store, and what can happen on it. It keeps the
 * contract of store.h, and accuses whoever breaks it from above.
 *
 * A call is executed at one moment and answered at a later one. Its answer may be lost, or the
 * request; it may be executed long after its caller was told that nobody knows, or a second time.
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
    uint64_t latency_ms; /* at most */
    uint64_t timeout_ms; /* until the link gives an answer up */
    uint64_t heed_ms;    /* within which a refusal has to be heard of: see sim_heed.h */
};

struct sim_store;

/** A store on `node`, of an instance of that version; store_destroy() of its base frees it. */
struct sim_store *sim_store_create(struct sim_node *node, bool available,
                                   const struct sim_store_weather *weather, size_t instance,
                                   enum sim_version version);

struct store *sim_store_base(struct sim_store *store);

bool sim_store_is_available(const struct sim_store *store);

/** Whether all calls were answered, and nothing is left to be executed late. */
bool sim_store_is_quiet(const struct sim_store *store);

/** The server that is used from here on; nobody is told. */
void sim_store_set_node(struct sim_store *store, struct sim_node *node);
struct sim_node *sim_store_node(const struct sim_store *store);

/** Whether everything that this instance sends is refused. */
void sim_store_refuse(struct sim_store *store, bool refuses);

/** The node refuses sites, which are bits, or refuses nothing any more. */
void sim_store_note_refusal(struct sim_store *store, unsigned sites);
void sim_store_note_no_refusal(struct sim_store *store);

/** Whether the instance could not know of the last refusal of a site in time. */
bool sim_store_has_missed(const struct sim_store *store, size_t site);

/** Whether the instance was told that an older version wrote to a site. */
bool sim_store_knows_old(const struct sim_store *store, size_t site);

void sim_store_set_weather(struct sim_store *store, const struct sim_store_weather *weather);

/** The link breaks, or is there again. Open calls end first, or after the listener was told. */
void sim_store_go_away(struct sim_store *store);
void sim_store_come_back(struct sim_store *store);

/** When something is due; UINT64_MAX when nothing is. */
uint64_t sim_store_next_ms(const struct sim_store *store);

/** Executes what is due; answers it too when `answers`, which a stalled instance does not hear. */
void sim_store_run_due(struct sim_store *store, bool answers);

/** The instance is gone, with its callbacks: its requests may still arrive; `left` takes them. */
void sim_store_orphan(struct sim_store *store, struct list *left);

#endif
