/* SPDX-License-Identifier: MIT */
/**
 * whoami: explains which address counts as the client's. The operator describes a request by its
 * peer and headers, because a request on the admin socket has no client address.
 */
#ifndef VISITCOUNTD_HTTP_WHOAMI_H
#define VISITCOUNTD_HTTP_WHOAMI_H

#include "base/report.h"
#include "config/config.h"
#include "http/request/client.h"

#include <stdbool.h>

/** A request as an operator describes it. */
struct whoami_question {
    const char *peer;          /* an address, or "unix" */
    const char *real_ip;       /* X-Real-IP; NULL: none */
    const char *forwarded_for; /* X-Forwarded-For; NULL: none */
};

/**
 * Parses the description into `ret_evidence`. Returns false if the peer is neither an address nor
 * "unix".
 */
bool whoami_take(const struct whoami_question *question, struct client_evidence *ret_evidence);

/** Reports the client's address and the reason for it. */
void whoami_explain(const struct config *config, const struct client_evidence *evidence,
                    struct report *report);

#endif
