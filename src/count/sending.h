/* SPDX-License-Identifier: MIT */
/**
 * sending: which legs are ready, and which rest. The dispatcher sends those that are ready at the
 * end of the turn. One that was refused
 * rests first: until a timer of its own ends when the refusal concerns its site; among all others
 * when the store is away or refuses all sites. While the store does that, one leg after the other
 * is sent, the probe, with one backoff for all; when one is taken, all are sent. A part of the
 * engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_SENDING_H
#define VISITCOUNTD_COUNT_SENDING_H

#include "count/site.h"

/** Prepares the engine, and a leg, to send. */
void sending_init(struct engine *engine);
void sending_init_leg(struct leg *leg);

/** Sends nothing any more. */
void sending_finish(struct engine *engine);
void sending_finish_leg(struct leg *leg);

/** Puts a leg among those that are sent at the end of this turn, unless it rests. */
void sending_make_ready(struct leg *leg);

/** Likewise, if it has something to send and is not doing so. */
void sending_wake(struct leg *leg);

/** Has the open batches of a site's backlog go to the journal at the end of this turn. */
void sending_write_soon(struct site *site);

/** What a leg sent was refused, by a store that is there or away; it rests if it has more work. */
void sending_note_refusal(struct leg *leg, enum store_scope scope);

/** The store answered a leg, which goes on if it has more work. */
void sending_note_success(struct leg *leg);

/** The store came or went: whoever has something to send looks at it anew. */
void sending_note_store(struct engine *engine);

/** For the dispatcher: lets a leg rest until a timer, or the store, wakes it. */
void sending_rest(struct leg *leg);

/** For the dispatcher: whether a leg may be sent as far as all sites are concerned. */
bool sending_may_send(struct leg *leg);

/** For the dispatcher: a leg that is of no use as the probe leaves that to the next one. */
void sending_release_probe(struct leg *leg);

#endif
