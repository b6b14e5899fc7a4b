/* SPDX-License-Identifier: MIT */
/**
 * sim_request: a batch, or a question for the ledger, on its way to a server. It may outlive the
 * call, the store and the instance that sent it, and be executed long after.
 */
#ifndef VISITCOUNTD_TESTS_SIM_REQUEST_H
#define VISITCOUNTD_TESTS_SIM_REQUEST_H

#include "base/list.h"
#include "journal/sealed_batch.h"
#include "sim_node.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_request {
    struct list link;
    struct sim_node *node;
    unsigned incarnation;
    enum sim_version version;          /* of its sender */
    bool has_counted;                  /* the sender was told of a counted batch of the site */
    struct store_batch batch;          /* of a question only site and epoch */
    struct sealed_batch *sealed_batch; /* has the batch's memory; NULL of a question */
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    uint64_t at_ms; /* when it arrives */
};

/** A request with a copy of `batch`, or where that has no entries a question; arrives now. */
struct sim_request *sim_request_create(struct sim_node *node, const struct store_batch *batch);

/** NULL is allowed. */
void sim_request_destroy(struct sim_request *request);

/** Executes a batch; what `ret_applied` points to is in `answer`. */
void sim_request_apply(const struct sim_request *request, struct sim_answer *answer,
                       struct store_applied *ret_applied);

/** Executes a question. */
void sim_request_read(const struct sim_request *request, struct store_ledger *ret_ledger);

/**
 * The caller does not hear of the request any more: it is in `left` when it `arrives`, else it is
 * freed. NULL is allowed.
 */
void sim_request_leave(struct sim_request *request, struct list *left, bool arrives);

/** Executes those of `left` that are due, and says when the next one is. */
void sim_request_run_left(struct list *left);
uint64_t sim_request_next_left_ms(const struct list *left);
void sim_request_drop_left(struct list *left);

#endif
