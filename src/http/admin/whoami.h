/* SPDX-License-Identifier: MIT */
/**
 * whoami: explains which address is taken for the client's, of a request that is described by its
 * peer and headers: the admin socket itself has no client to show.
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

/** What the address is found from; false when the peer is neither an address nor "unix". */
bool whoami_take(const struct whoami_question *question, struct client_evidence *ret_evidence);

/** Reports the client's address and why it is that one. */
void whoami_explain(const struct config *config, const struct client_evidence *evidence,
                    struct report *report);

#endif
