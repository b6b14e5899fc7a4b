/* SPDX-License-Identifier: MIT */
/**
 * sites: which sites may be counted, from the options `sites` and `limits.sites`.
 *
 * Owns copies of the names: the configuration may be freed.
 */
#ifndef VISITCOUNTD_HTTP_SITES_H
#define VISITCOUNTD_HTTP_SITES_H

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sites;

/** The sites of `config`. Names that are none are left out and said in the log. */
struct sites *sites_create(const struct config *config);

/** NULL is allowed. */
void sites_destroy(struct sites *sites);

/** Whether `sites` lists this name. */
bool sites_lists(const struct sites *sites, const char *name, size_t length);

/** How many sites may be counted that are not listed: limits.sites with "*", else 0. */
uint64_t sites_open_limit(const struct sites *sites);

/** The site of /count: the first one listed; "default" where none is. */
const char *sites_default(const struct sites *sites);

#endif
