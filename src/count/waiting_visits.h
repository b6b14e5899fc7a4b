/* SPDX-License-Identifier: MIT */
/**
 * waiting_visits: visits that were admitted and have no answer yet. Counts them per site, answers
 * them, and looks at them every 50 ms until there are none.
 */
#ifndef VISITCOUNTD_COUNT_WAITING_VISITS_H
#define VISITCOUNTD_COUNT_WAITING_VISITS_H

#include "base/list.h"
#include "count/engine_types.h"
#include "count/stats.h"
#include "count/visit.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct site_visits;

/**
 * Decides what happens to the visits of a site that have waited until `patience_ms`, on the clock
 * of loop_patience_ms(). Returns whether visits of the site may still wait.
 */
typedef bool (*waiting_visits_on_look)(struct site_visits *site, uint64_t patience_ms);

/** The waiting visits of all sites. Embedded in the engine. `stats->waiting` is their number. */
struct waiting_visits {
    struct loop *loop;
    const struct engine_options *options;
    struct stats *stats;
    waiting_visits_on_look on_look;
    struct loop_timer timer; /* runs while visits wait */
    struct list sites;       /* sites in which visits may wait: a few of thousands */
    uint64_t apart;          /* visits of sites that are set apart */
};

/** The waiting visits of one site. Embedded in the site. */
struct site_visits {
    struct waiting_visits *all;
    struct list link; /* in the list of sites in which visits may wait */
    uint64_t count;
    bool is_apart;
};

/** Initialises the struct. The other parts must outlive it. */
void waiting_visits_init(struct waiting_visits *waiting, struct loop *loop,
                         const struct engine_options *options, struct stats *stats,
                         waiting_visits_on_look on_look);

/** Stops the timer. All sites have ended. */
void waiting_visits_finish(struct waiting_visits *waiting);

/** Initialises the part of a site, and ends it. When it ends, no visit of the site may wait. */
void waiting_visits_init_site(struct site_visits *site, struct waiting_visits *all);
void waiting_visits_finish_site(struct site_visits *site);

/**
 * Whether one more visit of a site may wait. With several sites, one site may have at most seven
 * times as many waiting visits as there are free places. So a single site gets seven eighths of all
 * places. Some places are left for the others, however many sites are refused. NULL stands for a
 * site that is not known yet.
 */
bool waiting_visits_have_room(const struct waiting_visits *waiting, const struct site_visits *site);

/** Records that a visit of `site` waits from now on. */
void waiting_visits_begin(struct site_visits *site);

/** Records that a visit of `site` no longer waits. The caller answers it next. */
void waiting_visits_end(struct site_visits *site);

/** Passes the store's answer on to a visit of `site`. */
void waiting_visits_answer(struct site_visits *site, struct visit *visit,
                           const struct visit_answer *answer);

/** Answers `visits` of `site` as `status`: refused or unknown. `reason` says why, in words. */
void waiting_visits_answer_uncounted(struct site_visits *site, struct list *visits,
                                     enum visit_status status, const char *reason);

/** Counts the visits of a site apart from those of the other sites, or no longer. */
void waiting_visits_set_apart(struct site_visits *site, bool is_apart);

/** The number of visits that wait: of all sites, of those that are set apart, and of one site. */
static inline uint64_t waiting_visits_count(const struct waiting_visits *waiting)
{
    return waiting->stats->waiting;
}

static inline uint64_t waiting_visits_count_apart(const struct waiting_visits *waiting)
{
    return waiting->apart;
}

static inline uint64_t waiting_visits_count_of(const struct site_visits *site)
{
    return site->count;
}

#endif
