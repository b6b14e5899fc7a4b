/* SPDX-License-Identifier: MIT */
/**
 * fullness: watches how full limits.pages and limits.sites are, for the log, status and metrics.
 *
 * It asks the store how many pages a site has: at the start for the listed sites, and some
 * seconds after a visit made a new page or was refused one. Sites and lists that are nearly full
 * are asked about again once a minute, because an operator may delete pages. One question is under
 * way at a time, so a flood of new pages causes at most one question per site in three seconds.
 *
 * Memory: about 150 bytes for each site that was asked about.
 */
#ifndef VISITCOUNTD_HTTP_FULLNESS_H
#define VISITCOUNTD_HTTP_FULLNESS_H

#include "http/visit/sites.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/** A limit is nearly full from this share of it on. */
#define FULLNESS_WARN_PERCENT 80

struct fullness;

/** Creates it. `loop` and `store` must outlive it, and `sites` must live until the next call. */
struct fullness *fullness_create(struct loop *loop, struct store *store, const struct sites *sites);

/** Takes over the sites after a reload. */
void fullness_configure(struct fullness *fullness, const struct sites *sites);

/** NULL is allowed. Open calls to the store are cancelled. */
void fullness_destroy(struct fullness *fullness);

/** Notes that a site (NUL-terminated) has a new page, or that a page was refused. */
void fullness_note_page(struct fullness *fullness, const char *site);

/** Notes that there is a new site, or that a site was refused. */
void fullness_note_site(struct fullness *fullness);

struct fullness_view {
    uint64_t nearly_full_count; /* sites that have at least 80 % of their pages */
    const char *fullest_site;   /* valid until the next turn of the loop; NULL: none is known */
    uint64_t fullest_pages;
    uint64_t fullest_pages_max;
    uint64_t sites;
    uint64_t sites_max; /* 0: only listed sites are counted */
};

void fullness_view(const struct fullness *fullness, struct fullness_view *ret_view);

/** Calls `on_site` with the name of each site that is nearly full. */
void fullness_list(const struct fullness *fullness, void (*on_site)(void *data, const char *site),
                   void *data);

#endif
