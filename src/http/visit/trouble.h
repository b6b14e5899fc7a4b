/* SPDX-License-Identifier: MIT */
/**
 * trouble: a question that the store refuses although it can be asked: for the log, status and
 * metrics. Which site may be counted is one, the day's salt another. (Batches have
 * count/failing.h.) A store that is away is not trouble: the store itself reports that.
 *
 * Embedded in whoever asks. Refusals are logged after a second, then once a minute, and their end.
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
    const char *what;   /* is asked: "salt of the day" */
    const char *effect; /* of the refusal: "visitors are not told apart" */
    uint64_t since_ms;  /* 0: there is none */
    uint64_t refused_at_ms;
    uint64_t warned_at_ms; /* 0: it was not logged */
    char reason[256];
};

/** Prepares a question without trouble; `what` and `effect` are literals for the log. */
void trouble_init(struct trouble *trouble, struct loop *loop, struct store *store, const char *what,
                  const char *effect);

/** The store refused the question, for `reason`, which is copied. */
void trouble_note(struct trouble *trouble, const char *reason);

/** The store answered the question. */
void trouble_end(struct trouble *trouble);

struct trouble_view {
    uint64_t lasted_ms;
    const char *reason;
};

/**
 * Whether the store refuses the question now: it did so last, within a minute, and is not away.
 * `ret_view` is valid until the loop's next turn.
 */
bool trouble_view(const struct trouble *trouble, struct trouble_view *ret_view);

#endif
