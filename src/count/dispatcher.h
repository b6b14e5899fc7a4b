/* SPDX-License-Identifier: MIT */
/**
 * dispatcher: sends the legs that are ready, at the end of each turn of the loop. A part of the
 * engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_DISPATCHER_H
#define VISITCOUNTD_COUNT_DISPATCHER_H

#include "count/site.h"

/** Prepares the engine to send. */
void dispatcher_init(struct engine *engine);

/** Sends nothing any more. */
void dispatcher_finish(struct engine *engine);

#endif
