/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_world_inside.h"

#include <string.h>

/* how often a server writes its memory to its disk */
#define EVERYSEC_MS 1000

/* how long after a refusal the store may still go back: see HEED_MS */
#define GO_BACK_MAX_MS 2500

/* --- links --- */

void sim_servers_cut_off(struct world *world, struct sim_instance *instance, struct sim_node *node,
                         uint64_t most_ms)
{
    if (!sim_instance_is_up(instance)) {
        return;
    }
    if (sim_store_is_available(instance->store)) {
        world->tally->outages++;
        sim_store_go_away(instance->store);
        instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, most_ms);
    }
    sim_store_set_node(instance->store, node);
}

void sim_servers_cut_all_off(struct world *world, uint64_t most_ms)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        sim_servers_cut_off(world, &world->instances[i], world->active, most_ms);
    }
}

/* --- refusals --- */

static void tell_refusal(struct world *world, unsigned sites)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        const struct sim_instance *instance = &world->instances[i];

        if (!sim_instance_is_up(instance) || sim_store_node(instance->store) != world->active) {
            continue;
        }
        if (sites != 0) {
            sim_store_note_refusal(instance->store, sites);
        } else {
            sim_store_note_no_refusal(instance->store);
        }
    }
}

/* if refusals may last long, half of them last longer than the retention time of batches */
static uint64_t draw_refusal_ms(const struct world *world)
{
    uint64_t most_ms = world->weather.refusal_ms;
    uint64_t retain_ms = world->common.options.retain_ms;

    return most_ms > retain_ms && sim_chance(500) ? sim_draw_between(retain_ms, most_ms)
                                                  : sim_draw_skewed(100, most_ms);
}

void sim_servers_refuse(struct world *world, unsigned sites)
{
    struct sim_node *node = world->active;

    node->refuses = sites == SIM_ALL_SITES;
    node->refuses_reads = sim_chance(300);
    node->refused = node->refuses ? 0 : sites;
    world->refuses_at_ms = SIM_NEVER;
    world->refusal_ends_at_ms = clock_monotonic_ms() + draw_refusal_ms(world);
    if (node->refuses) {
        sim_say("the server refuses everybody%s", node->refuses_reads ? ", and reads" : "");
        world->tally->refusals++;
    } else {
        sim_say("the server refuses sites: bits %x", sites);
        world->tally->refusals_of_site++;
    }
    tell_refusal(world, sites);
}

void sim_servers_end_refusal(struct world *world)
{
    struct sim_node *node = world->active;

    world->refuses_at_ms = SIM_NEVER;
    world->refusal_ends_at_ms = SIM_NEVER;
    world->backup_sites = 0;
    if (node->refuses || node->refused != 0) {
        sim_say("the server refuses nothing any more");
        node->refuses = false;
        node->refused = 0;
        tell_refusal(world, 0);
    }
}

void sim_servers_go_back(struct world *world)
{
    world->tally->rollbacks++;
    world->goes_back_at_ms = SIM_NEVER;
    sim_servers_end_refusal(world);
    for (size_t i = 0; i < world->instance_count; i++) {
        for (size_t site = 0; site < world->site_count; site++) {
            if (sim_instance_is_up(&world->instances[i]) &&
                sim_store_has_missed(world->instances[i].store, site)) {
                sim_say("instance %zu could not know of the refusal of site %zu in time", i, site);
                oracle_missed(i, site);
                world->instances[i].may_lose = true;
            }
        }
    }
}

/* --- going back in time --- */

static void crash(struct world *world, uint64_t most_ms)
{
    sim_say("the server crashes, and lost what it did since the last snapshot");
    sim_servers_go_back(world);
    world->active->incarnation++;
    sim_database_copy(world->active->database, world->snapshot);
    sim_database_copy(world->backup, world->snapshot);
    sim_servers_cut_all_off(world, most_ms);
}

/* The server refuses because its disk takes no writes. So there is no snapshot during a refusal. */
static void take_snapshot(struct world *world)
{
    if (world->weather.climate != SIM_CRASHING ||
        (!world->active->refuses && world->goes_back_at_ms == SIM_NEVER)) {
        sim_database_copy(world->snapshot, world->active->database);
    }
    world->snapshot_at_ms = world->weather.climate == SIM_CRASHING && !world->is_quiet
                                ? clock_monotonic_ms() + EVERYSEC_MS
                                : SIM_NEVER;
}

/* the other server takes over, either with its old data or as a replica that has caught up */
static void fail_over(struct world *world)
{
    struct sim_node *before = world->active;

    sim_servers_go_back(world);
    world->active = &world->nodes[before == &world->nodes[0] ? 1 : 0];
    sim_say("server %zu takes over", (size_t)(world->active - world->nodes));
    if (sim_chance(300)) {
        sim_say("it had caught up");
        sim_database_copy(world->active->database, before->database);
    }
    if (sim_chance(600)) {
        sim_servers_cut_all_off(world, 1000);
        return;
    }
    /* only some instances move to it now; the others move later or not at all */
    for (size_t i = 0; i < world->instance_count; i++) {
        if (sim_instance_is_up(&world->instances[i]) && sim_chance(500)) {
            sim_store_set_node(world->instances[i].store, world->active);
        }
    }
}

static void strike_copies(struct world *world)
{
    if (sim_chance(500)) {
        fail_over(world);
    } else if (sim_chance(500)) {
        sim_say("a snapshot of the server");
        take_snapshot(world);
    } else {
        crash(world, world->weather.outage_ms);
    }
}

static void go_back_somehow(struct world *world)
{
    switch (world->weather.climate) {
    case SIM_STEADY:
        break;
    case SIM_CRASHING:
        crash(world, world->weather.outage_ms);
        break;
    case SIM_COPIED:
        strike_copies(world);
        break;
    case SIM_REPLICATED:
        sim_replicas_promote(world);
        break;
    }
}

void sim_servers_strike(struct world *world)
{
    bool is_refusing = world->active->refuses || world->active->refused != 0;

    if (world->weather.refusal_ms != 0 && !is_refusing && sim_chance(300)) {
        sim_servers_refuse(world, SIM_ALL_SITES);
    } else if (world->weather.climate == SIM_REPLICATED) {
        sim_replicas_strike(world);
    } else if (!is_refusing || sim_chance(300)) {
        go_back_somehow(world);
    }
}

/* --- time --- */

/* The site was refused because its keys were broken. It gets older keys. */
static void restore_sites(struct world *world, unsigned sites)
{
    sim_servers_go_back(world);
    for (size_t site = 0; site < world->site_count; site++) {
        if ((sites & 1U << site) != 0) {
            sim_say("site %zu goes back to what it was before", site);
            sim_database_restore(world->active->database, site, SIM_HITS | SIM_LEDGER,
                                 world->backup);
        }
    }
    sim_servers_cut_all_off(world, 1000);
}

/* the store may go back right after a refusal, or a bit later */
static void let_refusal_end(struct world *world)
{
    bool goes_back = world->active->refuses && sim_chance(700);
    unsigned sites = world->backup_sites;

    sim_servers_end_refusal(world);
    if (sites != 0) {
        restore_sites(world, sites);
    } else if (goes_back && sim_chance(500)) {
        go_back_somehow(world);
    } else if (goes_back) {
        world->goes_back_at_ms = clock_monotonic_ms() + sim_draw_between(1, GO_BACK_MAX_MS);
    }
}

uint64_t sim_servers_next_ms(const struct world *world)
{
    uint64_t next_ms = sim_earlier(world->snapshot_at_ms, world->refuses_at_ms);

    next_ms = sim_earlier(next_ms, world->refusal_ends_at_ms);
    next_ms = sim_earlier(next_ms, world->goes_back_at_ms);
    next_ms = sim_earlier(next_ms, sim_replicas_next_ms(world));
    return sim_earlier(next_ms, sim_sites_next_ms(world));
}

void sim_servers_run_due(struct world *world)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (world->snapshot_at_ms <= now_ms) {
        take_snapshot(world);
    }
    sim_replicas_run_due(world);
    if (world->refusal_ends_at_ms <= now_ms) {
        let_refusal_end(world);
    }
    if (world->goes_back_at_ms <= now_ms) {
        go_back_somehow(world);
        world->goes_back_at_ms = SIM_NEVER;
    }
    if (world->refuses_at_ms <= now_ms) {
        sim_servers_refuse(world, SIM_ALL_SITES);
    }
    sim_sites_run_due(world);
}

void sim_servers_mend(struct world *world)
{
    world->snapshot_at_ms = SIM_NEVER;
    world->goes_back_at_ms = SIM_NEVER;
    if (world->backup_sites != 0) {
        let_refusal_end(world);
    }
    sim_servers_end_refusal(world);
    sim_replicas_sync_all(world);
    sim_sites_repair_all(world);
}

/* --- the servers themselves --- */

void sim_servers_create(struct world *world)
{
    for (size_t i = 0; i < SIM_NODES; i++) {
        world->nodes[i].database = sim_database_create(world->site_count);
        world->nodes[i].replicated_before_ms = UINT64_MAX;
        world->replicas[i].copy_at_ms = SIM_NEVER;
    }
    for (size_t site = 0; site < SIM_SITES_MAX; site++) {
        world->repair_at_ms[site] = SIM_NEVER;
    }
    world->active = &world->nodes[0];
    world->snapshot = sim_database_create(world->site_count);
    world->backup = sim_database_create(world->site_count);
    world->refuses_at_ms = SIM_NEVER;
    world->refusal_ends_at_ms = SIM_NEVER;
    world->goes_back_at_ms = SIM_NEVER;
    take_snapshot(world);
    sim_replicas_create(world);
}

void sim_servers_destroy(struct world *world)
{
    sim_database_destroy(world->snapshot);
    sim_database_destroy(world->backup);
    for (size_t i = 0; i < SIM_NODES; i++) {
        sim_database_destroy(world->nodes[i].database);
    }
}
