/* SPDX-License-Identifier: MIT */
/**
 * waiting: visits that were admitted and have no answer yet: how long they wait, and what they are
 * told. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_WAITING_H
#define VISITCOUNTD_COUNT_WAITING_H

#include "count/site.h"

/** How often timeouts are looked for in ms, while visits wait; see visit_timeouts.h. */
#define WAITING_INTERVAL_MS 50

/** Says that a visit of `site` waits from now on. */
void waiting_begin(struct site *site);

/** Says that a visit of `site` waits no longer; its answer follows. */
void waiting_end(struct site *site);

/** Passes on to a visit of `site` what the store said of it. */
void waiting_answer(struct site *site, struct visit *visit, const struct visit_answer *answer);

/** Answers `visits` of `site` as refused or unknown, with a reason for people. */
void waiting_answer_uncounted(struct site *site, struct list *visits, enum visit_status status,
                              const char *reason);

/** Answers the visits of `site` whose patience ended by `now_ms` as refused or unknown. */
void waiting_expire(struct site *site, uint64_t now_ms);

/** Answers all visits of a torn site, likewise: what was not sent is certainly not counted. */
void waiting_refuse_torn(struct site *site);

#endif
