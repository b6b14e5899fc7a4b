/* SPDX-License-Identifier: MIT */
/**
 * site_registration: registers sites in the store, which keeps one list for all instances. A site
 * in the configuration is simply added. For an unlisted site the process asks the store once
 * whether there is room, before the first visit counts.
 *
 * The first visit of such a site waits for the answer up to count.max_wait. While the store is away
 * or refuses the question, it is asked again. After count.max_wait the visit is refused, also with
 * a journal, because only the store knows whether there is room. If the store has been away for
 * count.max_wait, visits of such sites are refused at once. If the store has refused all questions
 * for that long, one visit at a time waits, and the others are refused at once.
 */
#ifndef VISITCOUNTD_HTTP_SITE_REGISTRATION_H
#define VISITCOUNTD_HTTP_SITE_REGISTRATION_H

#include "http/request/request.h"
#include "http/visit/novelty.h"
#include "http/visit/page_ref.h"
#include "http/visit/trouble.h"

struct site_registrations;

/** The store's answer. */
enum site_registration_result {
    SITE_REGISTERED, /* page_ref->rules are the site's rules now */
    SITE_TOO_MANY,   /* the limit of sites is reached */
    SITE_NOT_SERVED  /* the store did not answer in time */
};

typedef void (*site_registration_callback)(struct request *request, struct page_ref *page_ref,
                                           enum site_registration_result result);

/** Creates an empty set of registrations. `loop` and `store` must outlive it. */
struct site_registrations *site_registrations_create(struct loop *loop, struct store *store);

/** Frees `registrations`. All requests must be gone. NULL is allowed. */
void site_registrations_destroy(struct site_registrations *registrations);

/** Returns the store's refusals of these questions. */
const struct trouble *site_registrations_trouble(const struct site_registrations *registrations);

/**
 * Asks the store to admit the site of `page_ref`, which is not in any list. Copies `page_ref` and
 * `charge`, which it settles.
 * Calls `on_registered` once, after count.max_wait at the latest. `on_registered` answers the
 * request. A visit that is refused at once (see above, or too many requests wait) gets the callback
 * before this function returns, with a NULL `page_ref`.
 */
void site_registration_start(struct request *request, const struct page_ref *page_ref,
                             const struct novelty_site_charge *charge,
                             site_registration_callback on_registered);

/**
 * Adds a listed site to the store's list, at its first visit and again from time to time. Does not
 * wait for the result. `second` is the time of the visit, in seconds since 1970.
 */
void site_registration_listed(struct request *request, const struct site_rules *rules,
                              uint64_t second);

#endif
