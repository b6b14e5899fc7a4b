/* SPDX-License-Identifier: MIT */
#include "http/request/visit_outcome.h"

#include <string.h>

const struct visit_outcome_row visit_outcomes[OUTCOMES] = {
#define OUTCOME(id, status, is_counted) [OUTCOME_##id] = {{H2O_STRLIT(status)}, is_counted},
#include "http/request/visit_outcomes.def"
#undef OUTCOME
};

const char *visit_outcome_reason(enum visit_outcome outcome)
{
    static const char *const starts[] = {"ignored; reason=", "refused; reason="};
    const char *name = visit_outcomes[outcome].name.base;

    for (size_t i = 0; name != NULL && i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) {
            return name + strlen(starts[i]);
        }
    }
    return NULL;
}
