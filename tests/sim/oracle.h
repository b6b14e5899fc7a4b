/* SPDX-License-Identifier: MIT */
/**
 * oracle: records every request of a run and each answer to it, and reports violations.
 *
 * A visitor sends a request. A proxy may try it several times under one token. Each attempt has its
 * own answer. If one attempt was answered as counted, journaled or duplicate, the request is
 * *promised*: the store has it once. If one was answered as unknown or not at all, the request is
 * *possible*: the store has it once or not at all. Otherwise the store must not have it.
 *
 * The oracle checks at any time:
 * - No copy of the store has more visits of a page than were sent.
 * - A visit is answered once, and before its timeout.
 * - A counted number is at most the page's total. No other visit got it. It is higher than all
 *   numbers that the instance gave before.
 *
 * At the end it checks each page and each hour: promised <= total <= promised + possible.
 *
 * Numbers are judged only in runs whose store never goes back in time. In other runs, the promises
 * of an instance are *at risk* once the instance ends or is killed, because only that instance
 * could have resent them.
 *
 * A site that lost single keys is torn until a repair. After the repair its totals are those that
 * the operator put in, plus later visits.
 *
 * There is one oracle. It belongs to the current run.
 */
#ifndef VISITCOUNTD_TESTS_ORACLE_H
#define VISITCOUNTD_TESTS_ORACLE_H

#include "count/engine.h"
#include "sim_database.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_INSTANCES    3
#define ORACLE_REQUESTS_MAX 2000
#define ORACLE_SHARED_PAGES 16 /* that several requests may share; a further page has only one */

/** Starts a new run. `is_steady`: the store never goes back in time. */
void oracle_begin(bool is_steady);

/** Records a violation. The oracle keeps only the first one. */
void oracle_accuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The first violation; empty if there was none. */
const char *oracle_violation(void);

/** A new request of a page; returns its number. */
size_t oracle_request(size_t site, size_t page);

/** A number below SIM_HOURS_MAX for an hour since 1970, the same all over the run. */
size_t oracle_hour(uint64_t hour);

/** Records an attempt of a request at an instance, in an hour from oracle_hour(). */
void oracle_attempt(size_t request, size_t instance, size_t hour);

/**
 * The instance answered while the store has the totals of `database`; or it died without an answer.
 */
void oracle_answered(size_t request, size_t instance, const struct visit_answer *answer,
                     const struct sim_database *database);
void oracle_unanswered(size_t request);

/** An instance is gone, and with it the batches that it could have resent. */
void oracle_instance_gone(size_t instance);

/**
 * The store refused a site and then went back. The instance could not know of the refusal in time.
 */
void oracle_missed(size_t instance, size_t site);

/**
 * An operator has repaired a site and put in the totals that `database` has now. Earlier attempts
 * are either part of these totals or lost: they are *in doubt*.
 */
void oracle_repaired(size_t site, const struct sim_database *database);
bool oracle_was_repaired(size_t site);

/** An instance got an answer about a site. The store executed the call at `executed_at_ms`. */
void oracle_heard(size_t instance, size_t site, uint64_t executed_at_ms);

/** A batch has changed a copy of the store. */
void oracle_applied(const struct sim_database *database, const struct store_batch *batch);

/** Judges a copy of the store at the end. The final copy must have all promised visits. */
void oracle_judge(const struct sim_database *database, bool is_final);

#endif
