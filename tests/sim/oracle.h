/* SPDX-License-Identifier: MIT */
/**
 * oracle: knows every request of a run and what was said about it, and says what must not be.
 *
 * A request is what a visitor sends; a proxy may pass it on several times, under one token, and
 * each of these attempts has its own answer. One that was answered as counted, journaled or
 * repeated makes the request *promised*: it is in the store once. One that was answered as unknown,
 * or never, makes it *possible*: it is there once, or not. Without either it is not there.
 *
 * All the time: no copy of the store has more visits of a page than were sent; a visit is answered
 * once, and within its patience; a counted number is not above the page's total, was not given to
 * another, and is above those that the instance gave before. At the end, for each page and each
 * hour: promised <= total <= promised and possible.
 *
 * Numbers are judged only while the store does not go back in time. Where it does, what an instance
 * promised is *at risk* when the instance is ended or killed, since it alone could resend to the
 * store.
 *
 * A site whose keys were lost one by one is torn, until it is repaired. Then its totals are what
 * the operator put in, and the visits that come after that.
 *
 * There is one oracle, which belongs to the run that is going on.
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
#define ORACLE_SHARED_PAGES 16 /* that several requests may be of; more: each is of one request */

/** Starts anew. `is_steady`: the store never goes back in time. */
void oracle_begin(bool is_steady);

/** Notes what must not be; the first is kept. */
void oracle_accuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** What was noted; empty when nothing was. */
const char *oracle_violation(void);

/** A new request of a page; returns its number. */
size_t oracle_request(size_t site, size_t page);

/** A number below SIM_HOURS_MAX for an hour since 1970, the same all over the run. */
size_t oracle_hour(uint64_t hour);

/** An attempt of it at an instance, in an hour of oracle_hour(). */
void oracle_attempt(size_t request, size_t instance, size_t hour);

/** What the instance said, with the totals that the store has now; or it died, and said nothing. */
void oracle_answered(size_t request, size_t instance, const struct visit_answer *answer,
                     const struct sim_database *database);
void oracle_unanswered(size_t request);

/** An instance is gone, with what it could resend to the store. */
void oracle_instance_gone(size_t instance);

/** An instance could not know that the store refused a site, and it went back since. */
void oracle_missed(size_t instance, size_t site);

/**
 * An operator has repaired a site, and put in what `database` has now. What was tried before is in
 * there, or it is lost: it is *in doubt*.
 */
void oracle_repaired(size_t site, const struct sim_database *database);
bool oracle_was_repaired(size_t site);

/** An instance got an answer about a site, which the store gave at `executed_at_ms`. */
void oracle_heard(size_t instance, size_t site, uint64_t executed_at_ms);

/** A copy of the store has changed by a batch. */
void oracle_applied(const struct sim_database *database, const struct store_batch *batch);

/** Judges a copy of the store when all is quiet; the final one has to have what was promised. */
void oracle_judge(const struct sim_database *database, bool is_final);

#endif
