/* SPDX-License-Identifier: MIT */
/**
 * dispatcher: at the end of each turn of the loop, sends the lanes that are ready. A part of the
 * engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_DISPATCHER_H
#define VISITCOUNTD_COUNT_DISPATCHER_H

#include "count/site.h"

/** Initialises the engine's queues and its end-of-turn task. */
void dispatcher_init(struct engine *engine);

/** Stops sending. */
void dispatcher_finish(struct engine *engine);

#endif
