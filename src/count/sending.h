/* SPDX-License-Identifier: MIT */
/**
 * sending: when legs send. Those that are ready do so at the end of the turn; those that failed
 * rest first, until a timer ends or the store comes back. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_SENDING_H
#define VISITCOUNTD_COUNT_SENDING_H

#include "count/site.h"

/** Prepares the engine to send. */
void sending_init(struct engine *engine);

/** Sends nothing any more. */
void sending_finish(struct engine *engine);

/** Puts a leg among those that are sent at the end of this turn, or of the next one. */
void sending_make_ready(struct leg *leg);

/** Likewise, if it has something to send and is not doing so. */
void sending_wake(struct leg *leg);

/** Has a leg whose batch failed wait before it is sent again. */
void sending_let_rest(struct leg *leg);

/** The store came or went: whoever has something to send looks at it anew. */
void sending_note_store(struct engine *engine);

#endif
