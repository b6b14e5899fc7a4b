/* SPDX-License-Identifier: MIT */
/**
 * probe: what a load balancer or supervisor asks.
 */
#ifndef VISITCOUNTD_HTTP_PROBE_H
#define VISITCOUNTD_HTTP_PROBE_H

#include "http/request/request.h"

/** Whether the process lives: answers, asking nobody. */
void probe_handle_livez(struct request *request);

/** Whether a visit could be counted or journaled now: 200, or 503 and why not. */
void probe_handle_readyz(struct request *request);

#endif
