/* SPDX-License-Identifier: MIT */
/**
 * budget: what the networks of a client may cause: new pages, new sites, tokens and new visitors.
 *
 * A budget is a rate per network, for a minute and for a day. A network may use all of it at once;
 * then it comes back evenly. A charge can be given back, for instance because a page turned out to
 * exist.
 *
 * All budgets share one table of 1 MiB (see rate.h), which is allocated at the first charge. A
 * charge takes 16 bytes for each of up to four buckets. Each instance counts for itself.
 */
#ifndef VISITCOUNTD_HTTP_BUDGET_H
#define VISITCOUNTD_HTTP_BUDGET_H

#include "base/units.h"
#include "http/visit/network.h"
#include "http/visit/rate.h"

#include <stdbool.h>
#include <stdint.h>

/** What a budget limits. The number is a part of the keys of its buckets. */
enum budget_kind {
    BUDGET_PAGES,
    BUDGET_SITES,
    BUDGET_TOKENS,
    BUDGET_VISITORS,
    BUDGET_TOKENS_OF_SITE, /* of a site in place of a network */
    BUDGET_PASSWORDS
};

/** The limits of a budget. A count of 0 means no limit. */
struct budget_limits {
    struct rate burst;  /* the short term: "30/1m" */
    uint64_t daily_max; /* the long term: a number per day */
};

/** A charge, so that it can be given back. */
struct budget_charge {
    enum budget_kind kind;
    struct budget_limits limits;
    uint64_t part; /* a hash that splits the budget, for instance by page; 0: it is not split */
    struct networks networks; /* none: nothing is charged */
};

/**
 * Charges one unit to the networks of `charge`, whose other fields the caller has set. Returns 0,
 * or the time in ms until a network may cause one more; then nothing is charged, and
 * charge->networks has none.
 */
uint64_t budget_take(struct rates *rates, struct budget_charge *charge, uint64_t now_ms);

/** Gives a charge back. A second call changes nothing. */
void budget_give_back(struct rates *rates, struct budget_charge *charge);

#endif
