/* SPDX-License-Identifier: MIT */
/**
 * site_admit: registers sites in the store, which keeps one list for all instances. A site in the
 * configuration is simply added. For an unlisted site the process asks the store once whether there
 * is room, before the first visit counts.
 *
 * The first visit of such a site waits for the answer up to count.max_wait. While the store is away
 * or refuses the question, it is asked again. Then the visit is refused, also with a journal,
 * because only the store knows whether there is room. If the store has not answered any visit for
 * count.max_wait, only one visit at a time waits, and all others are refused at once.
 */
#ifndef VISITCOUNTD_HTTP_SITE_ADMIT_H
#define VISITCOUNTD_HTTP_SITE_ADMIT_H

#include "http/request/request.h"
#include "http/visit/target.h"
#include "http/visit/trouble.h"

struct site_admits;

/** What the store says. */
enum site_admission {
    SITE_ADMITTED,  /* target->rules are the site's rules now */
    SITE_TOO_MANY,  /* the limit of sites is reached */
    SITE_NOT_SERVED /* the store did not answer in time */
};

typedef void (*site_admit_callback)(struct request *request, struct target *target,
                                    enum site_admission admission);

/** Creates an empty set of questions. `loop` and `store` must outlive it. */
struct site_admits *site_admits_create(struct loop *loop, struct store *store);

/** Frees `admits`. All requests must be gone. NULL is allowed. */
void site_admits_destroy(struct site_admits *admits);

/** Returns the store's refusals of these questions. */
const struct trouble *site_admits_trouble(const struct site_admits *admits);

/**
 * Asks the store to admit the site of `target`, which is not in any list. Copies `target`. Calls
 * `on_admitted` once, after count.max_wait at the latest. It calls back before it returns if the
 * store has been unavailable too long, or if too many questions are open. `on_admitted` answers the
 * request.
 */
void site_admit_start(struct request *request, const struct target *target,
                      site_admit_callback on_admitted);

/**
 * Adds a listed site to the store's list, at its first visit and again from time to time. Does not
 * wait for the result. `second` is the time of the visit, in seconds since 1970.
 */
void site_admit_listed(struct request *request, const struct site_rules *rules, uint64_t second);

#endif
