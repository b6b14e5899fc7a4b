/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_world_inside.h"

/* the longest time until an operator repairs a torn site */
#define REPAIR_MAX_MS 15000

/* in a calm run faults strike only site 0 */
static size_t draw_site(const struct world *world)
{
    return world->weather.is_calm ? 0 : sim_draw(world->site_count);
}

static void note_torn(struct world *world, size_t site)
{
    if (sim_database_is_torn(world->active->database, site) &&
        world->repair_at_ms[site] == SIM_NEVER) {
        sim_say("site %zu is torn", site);
        world->tally->torn++;
        world->repair_at_ms[site] = clock_monotonic_ms() + sim_draw_skewed(1, REPAIR_MAX_MS);
    }
}

static void lose_key(struct world *world, size_t site)
{
    struct sim_database *database = world->active->database;
    unsigned key = sim_chance(500) ? SIM_HITS : SIM_LEDGER;
    const char *name = key == SIM_HITS ? "hits" : "the ledger";
    bool takes_mark =
        key == SIM_LEDGER && sim_database_has_pages(database, site) && sim_chance(300);

    if (sim_database_is_torn(database, site)) {
        return; /* losing both keys would be a rollback to any time */
    }
    if (sim_chance(600)) {
        sim_say("site %zu loses %s%s", site, name, takes_mark ? " and its mark" : "");
        sim_database_lose(database, site, key | (takes_mark ? SIM_MARK : 0));
        world->tally->keys_lost++;
    } else if (sim_database_differs(database, site, world->backup)) {
        sim_say("site %zu gets older: %s", site, name);
        sim_database_restore(database, site, key, world->backup);
        world->tally->keys_lost++;
    }
    note_torn(world, site);
}

static void refuse(struct world *world, size_t site)
{
    if (world->active->refuses || world->active->refused != 0) {
        return;
    }
    sim_servers_refuse(world, 1U << site);
    if (world->weather.climate == SIM_CRASHING && !world->weather.is_calm && sim_chance(500)) {
        sim_database_copy(world->backup, world->snapshot);
        world->backup_sites = 1U << site;
    }
}

void sim_sites_strike(struct world *world)
{
    size_t site = draw_site(world);

    if (world->weather.loses_keys && sim_chance(300)) {
        lose_key(world, site);
    } else if (world->weather.loses_keys && sim_chance(300)) {
        sim_say("a backup");
        sim_database_copy(world->backup, world->active->database);
    } else if (world->weather.refusal_ms != 0) {
        refuse(world, site);
    }
}

/*
 * Repairs a site. While the store refuses batches, the repair waits. A site that went back may no
 * longer be torn, and needs no repair.
 */
static void repair(struct world *world, size_t site)
{
    if (world->active->refuses) {
        world->repair_at_ms[site] = clock_monotonic_ms() + 1000;
        return;
    }
    world->repair_at_ms[site] = SIM_NEVER;
    if (!sim_database_is_torn(world->active->database, site)) {
        return;
    }
    sim_say("site %zu is repaired", site);
    world->tally->repairs++;
    sim_database_repair(world->active->database, site);
    oracle_repaired(site, world->active->database);
    sim_database_copy(world->snapshot, world->active->database);
    sim_database_copy(world->backup, world->active->database);
    sim_replicas_sync_all(world);
}

uint64_t sim_sites_next_ms(const struct world *world)
{
    uint64_t next_ms = SIM_NEVER;

    for (size_t site = 0; site < world->site_count; site++) {
        next_ms = sim_earlier(next_ms, world->repair_at_ms[site]);
    }
    return next_ms;
}

void sim_sites_run_due(struct world *world)
{
    for (size_t site = 0; site < world->site_count; site++) {
        if (world->repair_at_ms[site] <= clock_monotonic_ms()) {
            repair(world, site);
        }
    }
}

void sim_sites_repair_all(struct world *world)
{
    for (size_t site = 0; site < world->site_count; site++) {
        repair(world, site);
    }
}
