/* SPDX-License-Identifier: MIT */
/**
 * probe: health checks for load balancers and supervisors.
 */
#ifndef VISITCOUNTD_HTTP_PROBE_H
#define VISITCOUNTD_HTTP_PROBE_H

#include "http/request/request.h"

/** Liveness: answers 200 without calling the store. */
void probe_handle_livez(struct request *request);

/** Readiness: 200 if a visit could be counted or journaled now, else 503 with the reason. */
void probe_handle_readyz(struct request *request);

#endif
