/* SPDX-License-Identifier: MIT */
/**
 * visit_tally: counts the requests that could have counted a visit and did not, by site and by
 * reason. Status, metrics and the dashboard show the numbers, which begin at zero with the process.
 *
 * Each listed site has numbers of its own, up to VISIT_TALLY_SITES_MAX. They outlive a reload.
 * All other sites, which clients can name, share those of VISIT_TALLY_OTHERS.
 */
#ifndef VISITCOUNTD_HTTP_VISIT_TALLY_H
#define VISITCOUNTD_HTTP_VISIT_TALLY_H

#include "http/request/request.h"

#include <stdint.h>

#define VISIT_TALLY_SITES_MAX 1000

/** Not the name of any site. */
#define VISIT_TALLY_OTHERS "*"

struct visit_tallies;

struct visit_tally {
    const char *site;
    uint64_t visits[OUTCOMES]; /* by outcome; only those with a reason are counted */
};

struct visit_tallies *visit_tallies_create(void);

/** NULL is allowed. */
void visit_tallies_destroy(struct visit_tallies *tallies);

/**
 * Counts a request by its outcome and by the site in its path: the app's
 * `on_uncounted`.
 */
void visit_tally_note(struct request *request);

/** Returns the numbers of a listed site, or NULL if it has none. They are valid for one turn. */
const struct visit_tally *visit_tallies_find(const struct visit_tallies *tallies, const char *site);

/** Calls `on_tally` for each site with numbers, in the order of their first one. NULL: none. */
void visit_tallies_for_each(const struct visit_tallies *tallies,
                            void (*on_tally)(void *data, const struct visit_tally *tally),
                            void *data);

#endif
