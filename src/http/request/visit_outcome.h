/* SPDX-License-Identifier: MIT */
/**
 * visit_outcome: what became of a request that could have counted a visit. Clients get it as the
 * header Visitcount-Status.
 */
#ifndef VISITCOUNTD_HTTP_VISIT_OUTCOME_H
#define VISITCOUNTD_HTTP_VISIT_OUTCOME_H

#include <h2o.h>

#include <stdbool.h>

enum visit_outcome {
    OUTCOME_NONE, /* the request only reads: no header */
#define OUTCOME(id, status, is_counted) OUTCOME_##id,
#include "http/request/visit_outcomes.def"
#undef OUTCOME
    OUTCOMES
};

/** The value of Visitcount-Status, and whether the visit is counted now or was before. */
extern const struct visit_outcome_row {
    h2o_iovec_t name;
    bool is_counted;
} visit_outcomes[OUTCOMES];

/**
 * Returns why a visit was ignored or refused: "bot" of "ignored; reason=bot". Returns NULL for
 * other outcomes, which are counted or unknown.
 */
const char *visit_outcome_reason(enum visit_outcome outcome);

#endif
