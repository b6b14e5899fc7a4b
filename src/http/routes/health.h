/* SPDX-License-Identifier: MIT */
/**
 * health: health checks for load balancers and supervisors.
 */
#ifndef VISITCOUNTD_HTTP_HEALTH_H
#define VISITCOUNTD_HTTP_HEALTH_H

#include "http/request/request.h"

/** Liveness: answers 200 without calling the store. */
void health_handle_livez(struct request *request);

/** Readiness: 200 if a visit could be counted or journaled now, else 503 with the reason. */
void health_handle_readyz(struct request *request);

#endif
