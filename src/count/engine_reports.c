/* SPDX-License-Identifier: MIT */
#include "count/engine.h"

#include "count/engine_inside.h"
#include "count/outdated.h"

bool engine_can_journal(const struct engine *engine)
{
    return spill_has_room(&engine->spill);
}

const struct journal_status *engine_journal_status(const struct engine *engine)
{
    return spill_journal_status(&engine->spill);
}

uint64_t engine_retained_bytes(const struct engine *engine)
{
    return retention_bytes(&engine->retention);
}

uint64_t engine_torn_count(const struct engine *engine)
{
    return breaker_torn_count(&engine->breaker);
}

void engine_list_torn(const struct engine *engine, void (*on_site)(void *data, const char *site),
                      void *data)
{
    breaker_list_torn(&engine->breaker, on_site, data);
}

bool engine_serves(const struct engine *engine, const char *name)
{
    const struct site *site = name != NULL ? site_find(&engine->sites, name) : NULL;
    bool is_torn = site != NULL && breaker_is_torn(&site->breaker);
    bool is_refused = !breaker_is_available(&engine->breaker) ||
                      stall_is_known(&engine->stalls, site != NULL ? &site->stalls : NULL);

    return !is_refused || (engine_can_journal(engine) && !is_torn);
}

bool engine_longest_stall(const struct engine *engine, struct engine_stall *ret_stall)
{
    return stall_find_longest(&engine->stalls, ret_stall);
}

bool engine_has_counted(const struct engine *engine, const char *name)
{
    const struct site *site = site_find(&engine->sites, name);

    return site != NULL && site->old_version.until_ms != UINT64_MAX;
}

void engine_doubts(const struct engine *engine, const char *name, struct engine_doubts *ret_doubts)
{
    const struct site *site = site_find(&engine->sites, name);

    *ret_doubts = (struct engine_doubts){0};
    if (site != NULL) {
        outdated_count_doubts(site, ret_doubts);
    }
}

void engine_list_unproven(const struct engine *engine,
                          void (*on_site)(void *data, const char *site), void *data)
{
    outdated_list_unproven(&engine->sites, on_site, data);
}

bool engine_is_resending(const struct engine *engine)
{
    map_for_each(node, &engine->sites.map) {
        list_for_each(link, &site_of(node)->lanes) {
            if (session_may_resend(&lane_in_site(link)->session)) {
                return true;
            }
        }
    }
    return false;
}

/* whether the site would lose nothing if the process ended now; a resend exists only in memory */
static bool is_safe(const struct site *site)
{
    list_for_each(link, &site->lanes) {
        const struct lane *lane = lane_in_site(link);

        if (session_may_resend(&lane->session) || !spill_is_safe(lane)) {
            return false;
        }
    }
    return true;
}

bool engine_is_idle(const struct engine *engine)
{
    map_for_each(node, &engine->sites.map) {
        if (!is_safe(site_of(node))) {
            return false;
        }
    }
    return engine->stats.waiting == 0;
}

const struct stats *engine_stats(const struct engine *engine)
{
    return &engine->stats;
}
