/* SPDX-License-Identifier: MIT */
/**
 * visit_outcome: what became of a request that could have counted a visit. Clients get it as the
 * header Visitcount-Status.
 */
#ifndef VISITCOUNTD_HTTP_VISIT_OUTCOME_H
#define VISITCOUNTD_HTTP_VISIT_OUTCOME_H

#include <h2o.h>

#include <stdbool.h>

/** The names are in visit_outcomes[], in the same order. */
enum visit_outcome {
    OUTCOME_NONE, /* the request only reads: no header */
    OUTCOME_COUNTED,
    OUTCOME_DUPLICATE,
    OUTCOME_JOURNALED,
    OUTCOME_RETURNING_VISITOR,
    OUTCOME_READONLY,
    OUTCOME_HEAD,
    OUTCOME_OPTIONS,
    OUTCOME_PREFETCH,
    OUTCOME_BOT,
    OUTCOME_NETWORK,
    OUTCOME_TOO_MANY_VISITORS,
    OUTCOME_METHOD,
    OUTCOME_BAD_SITE,
    OUTCOME_UNKNOWN_SITE,
    OUTCOME_TOO_MANY_SITES,
    OUTCOME_TOO_MANY_PAGES,
    OUTCOME_BAD_PAGE,
    OUTCOME_BAD_IDEMPOTENCY_KEY,
    OUTCOME_BAD_PARAMETER,
    OUTCOME_BAD_BODY,
    OUTCOME_PASSWORD,
    OUTCOME_PRIVATE,
    OUTCOME_ORIGIN,
    OUTCOME_PAGE,
    OUTCOME_RATE,
    OUTCOME_NEW_PAGES,
    OUTCOME_NEW_SITES,
    OUTCOME_IDEMPOTENCY_KEYS,
    OUTCOME_STORE_UNAVAILABLE,
    OUTCOME_JOURNAL_FULL,
    OUTCOME_OVERLOADED,
    OUTCOME_TOO_MANY_LISTENERS,
    OUTCOME_SHUTTING_DOWN,
    OUTCOME_UNKNOWN, /* may have been counted */
    OUTCOMES
};

/** The value of Visitcount-Status, and whether the visit is counted now or was before. */
extern const struct visit_outcome_row {
    h2o_iovec_t name;
    bool is_counted;
} visit_outcomes[OUTCOMES];

#endif
