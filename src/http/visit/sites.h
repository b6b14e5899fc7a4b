/* SPDX-License-Identifier: MIT */
/**
 * sites: the configured sites, their names and their rules. The option `sites` sets them; the
 * daemon's other options are the defaults of each site.
 *
 * Owns copies of everything, so the configuration may be freed. Rules are valid until the next
 * reload. A request that waits for the store looks its rules up again afterwards.
 */
#ifndef VISITCOUNTD_HTTP_SITES_H
#define VISITCOUNTD_HTTP_SITES_H

#include "base/zone.h"
#include "config/config.h"
#include "config/page_rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bots_own;
struct sites;

/** The rules of a site. */
struct site_rules {
    const char *name; /* the canonical name, never an alias; "" in sites_open_rules() */
    size_t name_length;
    const char *const *origins; /* as browsers write them; empty: any origin */
    size_t origin_count;
    struct bots_own *bots_own; /* words of User-Agent; NULL: only those of the list */
    bool counts_unique;        /* a visitor counts once per day and page */
    bool ignores_bots;         /* visits of bots do not count */
    bool keeps_visitors;       /* unique visitors are counted in addition to visits */
    bool is_public;            /* its dashboard, series and top list are public */
    const char *password;      /* its own one, which opens them if they are not; "": none */
    uint64_t pages_max;
    const struct page_rule *page_rules; /* only pages that match one are counted; empty: all */
    size_t page_rule_count;
    struct rate rate; /* limit for one client on one page */
    struct zone *zone;
};

/** Creates the sites of `config`. */
struct sites *sites_create(const struct config *config);

/** NULL is allowed. */
void sites_destroy(struct sites *sites);

/**
 * Returns the rules of a listed site, by its name or an alias, or of an admitted site. Otherwise
 * NULL.
 */
const struct site_rules *sites_find(const struct sites *sites, const char *name, size_t length);

/** Returns the rules of unlisted sites, or NULL if none may be counted ("*" is not in `sites`). */
const struct site_rules *sites_open_rules(const struct sites *sites);

/** Returns the number of sites up to which the store may admit an unlisted one. */
uint64_t sites_open_limit(const struct sites *sites);

/**
 * Records that the store has admitted an unlisted site. Returns its rules. Returns NULL if unlisted
 * sites may no longer be counted, or if `limits.sites` are known already.
 */
const struct site_rules *sites_admit(struct sites *sites, const char *name, size_t length);

/** Copies the admitted sites of `previous` after a reload, so the store need not be asked again. */
void sites_remember(struct sites *sites, const struct sites *previous);

/**
 * Whether a listed site should be added to the store's list: at its first visit, then once a
 * minute, in case the store did not take it or lost it. `second` is the time of the visit.
 */
bool sites_is_due(const struct site_rules *rules, uint64_t second);

/** Whether the configuration lists the site, so that clients cannot choose its name. */
bool sites_is_listed(const struct site_rules *rules);

/** Returns the site of /count: the first one listed, or "default" without any. */
const char *sites_default(const struct sites *sites);

/** Returns the default site's rules. Never NULL. */
const struct site_rules *sites_default_rules(const struct sites *sites);

/** Calls `on_rules` for all rules with their own time zone, including sites_open_rules(). */
void sites_for_each(const struct sites *sites,
                    void (*on_rules)(void *data, const struct site_rules *rules), void *data);

/** Whether the site's rules admit a page. A site without rules admits any. */
bool site_rules_admit_page(const struct site_rules *rules, const char *page, size_t length);

/** Whether the site admits `origin`. A site without origins admits any. */
bool site_rules_admit_origin(const struct site_rules *rules, const char *origin, size_t length);

#endif
