/* SPDX-License-Identifier: MIT */
/**
 * waiting_visits: visits that were admitted and have no answer yet. Counts them and answers them. A
 * part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_WAITING_VISITS_H
#define VISITCOUNTD_COUNT_WAITING_VISITS_H

#include "count/site.h"

/** How often timeouts are checked while visits wait, in ms. */
#define WAITING_INTERVAL_MS 50

/** Records that a visit of `site` waits from now on. */
void waiting_visits_begin(struct site *site);

/** Records that a visit of `site` no longer waits. The caller answers it next. */
void waiting_visits_end(struct site *site);

/** Passes the store's answer on to a visit of `site`. */
void waiting_visits_answer(struct site *site, struct visit *visit,
                           const struct visit_answer *answer);

/** Answers `visits` of `site` as `status`: refused or unknown. `reason` says why, in words. */
void waiting_visits_answer_uncounted(struct site *site, struct list *visits,
                                     enum visit_status status, const char *reason);

/** Answers the visits of `site` that have timed out by `now_ms`, as refused or unknown. */
void waiting_visits_expire(struct site *site, uint64_t now_ms);

/**
 * Answers all visits of a torn site as refused or unknown. Visits that were not sent are certainly
 * not counted.
 */
void waiting_visits_refuse_torn(struct site *site);

#endif
