/* SPDX-License-Identifier: MIT */
/**
 * sim_request: a batch, or a question for the ledger, on its way to a server. It may outlive its
 * call, its store and its instance. The server may execute it long after they are gone.
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
    enum sim_version version; /* of its sender */
    bool has_counted;         /* the store has applied a batch of the site for the sender */
    struct store_batch batch; /* a question has only site and epoch */
    struct sealed_batch *sealed_batch; /* owns the batch's memory; NULL for a question */
    char site[STORE_SITE_MAX + 1];
    char epoch[STORE_EPOCH_LENGTH + 1];
    uint64_t at_ms; /* when it arrives */
};

/** Creates a request with a copy of `batch`. Without entries it is a question. It arrives now. */
struct sim_request *sim_request_create(struct sim_node *node, const struct store_batch *batch);

/** NULL is allowed. */
void sim_request_destroy(struct sim_request *request);

/** Executes a batch. `ret_applied` points into `answer`. */
void sim_request_apply(const struct sim_request *request, struct sim_answer *answer,
                       struct store_applied *ret_applied);

/** Executes a question. */
void sim_request_read(const struct sim_request *request, struct store_ledger *ret_ledger);

/**
 * Separates the request from its caller. If it still `arrives`, it moves to `left`; otherwise it is
 * freed. NULL is allowed.
 */
void sim_request_leave(struct sim_request *request, struct list *left, bool arrives);

/**
 * Executes the requests in `left` that are due. The second function returns when the next one is
 * due.
 */
void sim_request_run_left(struct list *left);
uint64_t sim_request_next_left_ms(const struct list *left);
void sim_request_drop_left(struct list *left);

#endif
