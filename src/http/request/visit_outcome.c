/* SPDX-License-Identifier: MIT */
#include "http/request/visit_outcome.h"

const struct visit_outcome_row visit_outcomes[OUTCOMES] = {
#define OUTCOME(id, status, is_counted) [OUTCOME_##id] = {{H2O_STRLIT(status)}, is_counted},
#include "http/request/visit_outcomes.def"
#undef OUTCOME
};
