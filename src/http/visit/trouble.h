/* SPDX-License-Identifier: MIT */
/**
 * trouble: tracks a question that the reachable store refuses, for the log, status and metrics. Two
 * such questions exist: whether a site may be counted, and the day's salt. (For batches see
 * count/stall.h.) A store that is away is not trouble, because the store reports that itself.
 *
 * Embedded in the module that asks. It logs refusals after a second and then once a minute, and it
 * logs their end.
 */
#ifndef VISITCOUNTD_HTTP_TROUBLE_H
#define VISITCOUNTD_HTTP_TROUBLE_H

#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct trouble {
    struct loop *loop;
    struct store *store;
    const char *what;   /* the question: "salt of the day" */
    const char *effect; /* of a refusal: "visitors are not told apart" */
    uint64_t since_ms;  /* 0: no trouble */
    uint64_t refused_at_ms;
    uint64_t warned_at_ms; /* 0: not logged yet */
    char reason[256];
};

/** Initialises `trouble` without a refusal. `what` and `effect` are string literals for the log. */
void trouble_init(struct trouble *trouble, struct loop *loop, struct store *store, const char *what,
                  const char *effect);

/** Records that the store refused the question. Copies `reason`. */
void trouble_note(struct trouble *trouble, const char *reason);

/** Records that the store answered the question. */
void trouble_end(struct trouble *trouble);

struct trouble_view {
    uint64_t lasted_ms;
    const char *reason;
};

/**
 * Whether the store refuses the question now: the last answer was a refusal, less than a minute
 * ago, and the store is not away. `ret_view` is valid until the loop's next turn.
 */
bool trouble_view(const struct trouble *trouble, struct trouble_view *ret_view);

#endif
