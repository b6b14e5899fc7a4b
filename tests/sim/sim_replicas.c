/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_world_inside.h"

/* the longest time until a replaced master is a replica of the new one */
#define REJOIN_MAX_MS 10000

/*
 * The longest time that a replica is cut off while its master goes on. It is longer than the
 * retention time of batches.
 */
#define CUT_MAX_MS 30000

static bool is_replicated(const struct world *world)
{
    return world->weather.climate == SIM_REPLICATED;
}

static struct sim_node *node_of(struct world *world, const struct sim_replica *replica)
{
    return &world->nodes[replica - world->replicas];
}

/* all batches answered before the time set here are on each replica that the master waits for */
static void note_synced(struct world *world)
{
    uint64_t before_ms = UINT64_MAX;

    for (size_t i = 0; i < SIM_NODES; i++) {
        const struct sim_replica *replica = &world->replicas[i];

        if (replica->is_replica && replica->is_known && world->weather.tells_replicas) {
            before_ms = sim_earlier(before_ms, replica->synced_at_ms);
        }
    }
    world->active->replicated_before_ms = before_ms;
}

static void plan_copy(const struct world *world, struct sim_replica *replica)
{
    replica->copy_at_ms = clock_monotonic_ms() + sim_draw_between(1, world->weather.lag_ms);
}

static void attach(struct world *world, struct sim_replica *replica)
{
    sim_database_copy(node_of(world, replica)->database, world->active->database);
    *replica = (struct sim_replica){.is_replica = true,
                                    .is_attached = true,
                                    .is_known = true,
                                    .synced_at_ms = clock_monotonic_ms()};
    plan_copy(world, replica);
}

static void cut(struct world *world, struct sim_replica *replica, uint64_t until_ms)
{
    sim_say("replica %zu is cut off", (size_t)(replica - world->replicas));
    world->tally->cuts++;
    replica->is_attached = false;
    replica->gone_at_ms = clock_monotonic_ms();
    replica->copy_at_ms = until_ms;
}

static void cut_all(struct world *world, uint64_t until_ms)
{
    for (size_t i = 0; i < SIM_NODES; i++) {
        if (world->replicas[i].is_attached) {
            cut(world, &world->replicas[i], until_ms);
        }
    }
}

void sim_replicas_sync_all(struct world *world)
{
    for (size_t i = 0; i < SIM_NODES; i++) {
        if (is_replicated(world) && &world->nodes[i] != world->active) {
            attach(world, &world->replicas[i]);
            world->replicas[i].copy_at_ms =
                world->is_quiet ? SIM_NEVER : world->replicas[i].copy_at_ms;
        }
    }
    if (is_replicated(world)) {
        note_synced(world);
    }
}

static struct sim_replica *choose(struct world *world)
{
    size_t first = sim_draw(SIM_NODES);

    for (size_t i = 0; i < SIM_NODES; i++) {
        struct sim_replica *replica = &world->replicas[(first + i) % SIM_NODES];

        if (replica->is_replica) {
            return replica;
        }
    }
    return NULL;
}

static void promote(struct world *world, struct sim_replica *chosen)
{
    struct sim_node *before = world->active;

    sim_servers_go_back(world);
    world->tally->promotions++;
    world->may_lose |= !chosen->is_known;
    world->active = node_of(world, chosen);
    sim_say("replica %zu takes over, with what it got %llu ms ago",
            (size_t)(chosen - world->replicas),
            (unsigned long long)(clock_monotonic_ms() - chosen->synced_at_ms));
    before->incarnation++;
    sim_database_copy(world->backup, world->active->database);
    *chosen = (struct sim_replica){.copy_at_ms = SIM_NEVER};
    world->replicas[before - world->nodes] = (struct sim_replica){
        .copy_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, REJOIN_MAX_MS)};
    for (size_t i = 0; i < SIM_NODES; i++) {
        if (world->replicas[i].is_attached) {
            attach(world, &world->replicas[i]);
        }
    }
    note_synced(world);
    sim_servers_cut_all_off(world, 3000);
}

void sim_replicas_promote(struct world *world)
{
    struct sim_replica *chosen = choose(world);

    if (chosen != NULL) {
        promote(world, chosen);
    }
}

/*
 * Cuts off all replicas. The master goes on for a while and then refuses, as with
 * min-replicas-to-write. If it does not report its replicas, it refuses soon.
 */
static void isolate_master(struct world *world)
{
    uint64_t now_ms = clock_monotonic_ms();

    cut_all(world, now_ms + sim_draw_skewed(1, 2 * world->weather.refusal_ms));
    if (!world->weather.tells_replicas || sim_chance(700)) {
        world->refuses_at_ms =
            now_ms + sim_draw_skewed(0, world->weather.tells_replicas ? 10000 : 500);
    }
}

static bool has_heir(const struct world *world)
{
    for (size_t i = 0; i < SIM_NODES; i++) {
        if (world->replicas[i].is_heir) {
            return true;
        }
    }
    return false;
}

void sim_replicas_strike(struct world *world)
{
    struct sim_replica *replica = choose(world);
    bool is_refusing = world->active->refuses || world->refuses_at_ms != SIM_NEVER;

    if (replica == NULL) {
        return;
    }
    if (has_heir(world) && sim_chance(800)) {
        return; /* the longer the heir stays cut off, the more batches it lacks */
    }
    if (!is_refusing && world->weather.refusal_ms != 0 && sim_chance(400)) {
        isolate_master(world);
    } else if (replica->is_attached && world->weather.tells_replicas && sim_chance(500)) {
        cut(world, replica, clock_monotonic_ms() + sim_draw_between(1000, CUT_MAX_MS));
        replica->is_heir = sim_chance(500);
    } else if (replica->is_attached || sim_chance(100)) { /* a replica stays cut off for a while */
        promote(world, replica);
    }
}

void sim_replicas_create(struct world *world)
{
    size_t count = is_replicated(world) ? sim_draw_between(1, SIM_NODES - 1) : 0;

    for (size_t i = 1; i <= count; i++) {
        attach(world, &world->replicas[i]);
    }
    note_synced(world);
}

uint64_t sim_replicas_next_ms(const struct world *world)
{
    uint64_t next_ms = SIM_NEVER;

    for (size_t i = 0; i < SIM_NODES; i++) {
        next_ms = sim_earlier(next_ms, world->replicas[i].copy_at_ms);
    }
    return next_ms;
}

/* if the master does not report its replicas, they are cut off only around a refusal */
static bool is_cut_in_vain(const struct world *world, const struct sim_replica *replica)
{
    return replica->is_replica && !replica->is_attached && !world->weather.tells_replicas &&
           !world->active->refuses && world->refuses_at_ms == SIM_NEVER &&
           world->goes_back_at_ms == SIM_NEVER;
}

static void run_due(struct world *world, struct sim_replica *replica)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (replica->is_replica && !replica->is_attached && replica->is_known &&
        now_ms - replica->gone_at_ms >= world->weather.grace_ms) {
        sim_say("nobody waits for replica %zu any more", (size_t)(replica - world->replicas));
        replica->is_known = false;
    }
    if (replica->copy_at_ms <= now_ms && replica->is_heir) {
        promote(world, replica);
    } else if (replica->copy_at_ms <= now_ms || is_cut_in_vain(world, replica)) {
        attach(world, replica);
    }
}

void sim_replicas_run_due(struct world *world)
{
    for (size_t i = 0; i < SIM_NODES && is_replicated(world); i++) {
        run_due(world, &world->replicas[i]);
    }
    if (is_replicated(world)) {
        note_synced(world);
    }
}
