/* SPDX-License-Identifier: MIT */
/**
 * sites: which sites are counted, by what names, and under which rules: the option `sites` with
 * what the other options say where a site's group is silent.
 *
 * Owns copies of everything: the configuration may be freed. The rules live as long as the sites,
 * so until the next reload: what waits for the store finds them again afterwards.
 */
#ifndef VISITCOUNTD_HTTP_SITES_H
#define VISITCOUNTD_HTTP_SITES_H

#include "base/zone.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sites;

/** How the visits of a site are taken. */
struct site_rules {
    const char
        *name; /* the canonical one, whatever alias was asked for; "" in sites_open_rules() */
    size_t name_length;
    const char *const *origins; /* as browsers write them; none: any */
    size_t origin_count;
    bool counts_unique;  /* a visitor counts once a day and page */
    bool ignores_bots;   /* visits of bots do not count */
    bool keeps_visitors; /* unique visitors are counted beside the visits */
    bool is_public;      /* anybody may see its dashboard, series and top list */
    uint64_t pages_max;
    struct rate rate; /* of one client on one page */
    struct zone *zone;
};

/** The sites of `config`. */
struct sites *sites_create(const struct config *config);

/** NULL is allowed. */
void sites_destroy(struct sites *sites);

/** The rules of a site that is listed, by its name or an alias, or that was admitted; or NULL. */
const struct site_rules *sites_find(const struct sites *sites, const char *name, size_t length);

/** The rules of sites that are not listed; NULL where none may be counted ("*" is not in `sites`).
 */
const struct site_rules *sites_open_rules(const struct sites *sites);

/** How many sites the store may have in order to take one that is not listed. */
uint64_t sites_open_limit(const struct sites *sites);

/**
 * Notes that the store takes a site that is not listed; its rules. NULL where none may be counted
 * any more, or where `limits.sites` are known already.
 */
const struct site_rules *sites_admit(struct sites *sites, const char *name, size_t length);

/** After a reload: notes the sites that the store has taken so far, as if it had been asked again.
 */
void sites_remember(struct sites *sites, const struct sites *previous);

/**
 * Whether a listed site should be put on the store's list: at its first visit, and again once a
 * minute, in case that the store did not take it, or has lost it. `second` is the visit's.
 */
bool sites_is_due(const struct site_rules *rules, uint64_t second);

/** The site of /count: the first one listed; "default" where none is. */
const char *sites_default(const struct sites *sites);

/** Its rules; never NULL. */
const struct site_rules *sites_default_rules(const struct sites *sites);

/** Calls `on_rules` for each set of rules with a zone of its own, sites_open_rules() included. */
void sites_for_each(const struct sites *sites,
                    void (*on_rules)(void *data, const struct site_rules *rules), void *data);

/** Whether `origin` is one of the site's; any is where it has none. */
bool site_rules_admit_origin(const struct site_rules *rules, const char *origin, size_t length);

#endif
