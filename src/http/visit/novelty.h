/* SPDX-License-Identifier: MIT */
/**
 * novelty: charges new things of a visit to the networks of its client: a page, a site, an
 * Idempotency-Key or a visitor. Each of them takes room in the store, and a client can make up as
 * many as it likes. See budget.h for how the limits work. A client with many networks is bounded by
 * a rate of tokens of all sites together. One site may use a share of it.
 *
 * A page or a visitor is new if this process has not seen it yet. A page is charged before its
 * first visit is sent. Visits that come before the answer are not charged. The charge is given back
 * when the answer shows that the page existed. Visits that go to the journal are charged likewise.
 *
 * Memory at most: 1 MiB for the budgets, 512 KiB each for pages and visitors. It does not grow with
 * the number of clients.
 */
#ifndef VISITCOUNTD_HTTP_NOVELTY_H
#define VISITCOUNTD_HTTP_NOVELTY_H

#include "config/config.h"
#include "count/visit.h"
#include "http/request/client.h"
#include "http/visit/budget.h"
#include "http/visit/seen.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Counters for metrics and status. */
struct novelty_stats {
    uint64_t refused_pages;
    uint64_t refused_sites;
    uint64_t refused_tokens;
    uint64_t refused_shares; /* tokens beyond the share of their site, or of all sites */
    uint64_t ignored_visitors;
};

/** State kept between requests. It holds no address and no user agent. */
struct novelty {
    struct rates *budgets;
    struct rate_bucket tokens; /* of all sites */
    struct seen pages;
    struct seen visitors;
    struct novelty_stats stats;
    uint64_t latest_hash; /* of the page before: most visits are of the same one */
    size_t latest_length;
    char latest[STORE_SITE_MAX + 1 + STORE_PAGE_MAX];
};

/** What was charged for one visit. Embedded in the object that waits for the visit's number. */
struct novelty_charge {
    bool is_page_new; /* this visit is the first one of the page that was sent */
    uint64_t page_hash;
    struct budget_charge page;
    struct budget_charge token;
    struct budget_charge site_token;
    struct rate all_tokens; /* what the token was charged to, besides; a count of 0: nothing */
};

/** The first thing about a visit that exceeds a budget. */
enum novelty_verdict {
    NOVELTY_OK,
    NOVELTY_PAGE,
    NOVELTY_TOKEN,      /* of the network */
    NOVELTY_SITE_TOKEN, /* of the site */
    NOVELTY_ALL_TOKENS, /* of all sites */
    NOVELTY_VISITOR
};

/** A visit, as novelty_take() needs it. */
struct novelty_visit {
    const struct client *client;
    const char *names; /* site, NUL, page */
    size_t names_length;
    bool counts_unique; /* the site counts visitors instead of visits */
};

/** Whether a visit may be charged: the client has a network, or the visit a token of a client. */
static inline bool novelty_concerns(const struct client *client, const struct visit *visit)
{
    return networks_are_known(client) ||
           (visit->token != NULL && visit->token_window == STORE_WINDOW_CLIENT);
}

void novelty_init(struct novelty *novelty);
void novelty_finish(struct novelty *novelty);

/**
 * Charges the new things of a visit. `visit` has its token and its visitor. If the network has used
 * up its visitors, sets visit->visitor to 0; if the site counts visitors, returns NOVELTY_VISITOR
 * instead. If the verdict is not NOVELTY_OK, nothing is charged, and `ret_wait_ms` is the time
 * until the network may cause one more.
 */
enum novelty_verdict novelty_take(struct novelty *novelty, const struct config *config,
                                  const struct novelty_visit *given, struct visit *visit,
                                  struct novelty_charge *ret_charge, uint64_t *ret_wait_ms);

/** Settles the charge of a visit by its answer. */
void novelty_settle(struct novelty *novelty, struct novelty_charge *charge,
                    const struct visit_answer *answer);

/** Gives back the charge of a visit that is certainly not counted. */
void novelty_give_back(struct novelty *novelty, struct novelty_charge *charge);

/** What was charged for a site. */
struct novelty_site_charge {
    bool is_first; /* of the visits that wait for the site */
    uint64_t hash;
    struct budget_charge budget;
};

/**
 * Charges a site (NUL-terminated) that is not known. Returns 0, or the time in ms until the network
 * may cause one more.
 */
uint64_t novelty_charge_site(struct novelty *novelty, const struct config *config, const char *site,
                             const struct client *client, struct novelty_site_charge *ret_charge);

/**
 * Settles the charge of a site. `is_admitted`: it is known now. `is_new`: the visit added it to the
 * store, or may have added it; else the charge is given back.
 */
void novelty_settle_site(struct novelty *novelty, struct novelty_site_charge *charge,
                         bool is_admitted, bool is_new);

#endif
