/* SPDX-License-Identifier: MIT */
/**
 * site_admit: makes sites known to the store, which keeps the list of them for all instances. One
 * that is not listed in the configuration asks whether there is room for it, once in a process,
 * before its first visit counts; one that is listed is just put there.
 *
 * The first visit of a site waits for that answer like for its number: while the store is away or
 * refuses the question, it is asked again, up to count.max_wait. Then the visit is refused, with a
 * journal as well: only the store knows whether there is room. When nothing was answered for that
 * long, one visit at a time waits, and all others are refused at once.
 */
#ifndef VISITCOUNTD_HTTP_SITE_ADMIT_H
#define VISITCOUNTD_HTTP_SITE_ADMIT_H

#include "http/request/request.h"
#include "http/visit/target.h"
#include "http/visit/trouble.h"

struct site_admits;

/** What the store says. */
enum site_admission {
    SITE_ADMITTED,  /* target->rules are the site's now */
    SITE_TOO_MANY,  /* there are as many as there may be */
    SITE_NOT_SERVED /* the store did not say in time */
};

typedef void (*site_admit_callback)(struct request *request, struct target *target,
                                    enum site_admission admission);

/** Who asks; loop and store outlive it. */
struct site_admits *site_admits_create(struct loop *loop, struct store *store);

/** All requests are gone. NULL is allowed. */
void site_admits_destroy(struct site_admits *admits);

/** What the store says to the questions. */
const struct trouble *site_admits_trouble(const struct site_admits *admits);

/**
 * Asks for the site of `target`, which is copied; its name is in no list. Calls `on_admitted`,
 * which answers the request, once, at the latest after count.max_wait; from inside this call when
 * there is no hope, or when far too many questions are open.
 */
void site_admit_start(struct request *request, const struct target *target,
                      site_admit_callback on_admitted);

/**
 * At a visit: puts a listed site on the store's list, at its first visit and now and then; waits
 * for nothing.
 */
void site_admit_listed(struct request *request, const struct site_rules *rules, uint64_t second);

#endif
