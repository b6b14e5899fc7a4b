/* SPDX-License-Identifier: MIT */
/**
 * leg: one way of a site's visits to the store. A part of the engine: see site.h.
 */
#ifndef VISITCOUNTD_COUNT_LEG_H
#define VISITCOUNTD_COUNT_LEG_H

#include "count/site.h"

/** Makes a new leg of `site` and puts it behind the others. */
void leg_init(struct leg *leg, struct site *site);

/** Ends a leg, in which no visit is, and frees it unless it is the live one. */
void leg_finish(struct leg *leg);

/**
 * Says that visits come to a leg. Begins a new epoch where the leg was unused for so long that the
 * store may have forgotten the old one, which must not look like a loss.
 */
void leg_use(struct leg *leg, uint64_t now_ms);

/** The leg of an epoch that a journal names; one of an earlier run is made when there is none. */
struct leg *leg_find_or_create(struct site *site, const char *epoch);

#endif
