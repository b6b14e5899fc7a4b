/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_clock.h"
#include "sim_edge.h"
#include "sim_log.h"
#include "sim_world_inside.h"

#include <stdlib.h>
#include <string.h>

/* longer than any work takes in a world without faults, including the longest back-off */
#define QUIET_MAX_MS 60000

/* more steps than a run needs at one moment */
#define STEPS_MAX 20000

static struct sim_instance *draw_instance(struct world *world)
{
    return &world->instances[sim_draw(world->instance_count)];
}

/* draws a fault; in a calm run only site 0 has faults */
static void strike(struct world *world)
{
    const struct sim_weather *weather = &world->weather;
    bool is_refusing = world->active->refuses || world->active->refused != 0;
    uint64_t what = sim_draw(10);

    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, weather->fault_ms);
    if (is_refusing && weather->is_lasting && sim_chance(900)) {
        return; /* a broken link alone would make instances retain batches */
    }
    if (what == 0 && weather->sets_wall) {
        sim_strikes_clock(world, draw_instance(world));
    } else if (what <= 1 || weather->is_calm) {
        sim_sites_strike(world);
    } else if (what <= 3) {
        sim_servers_strike(world);
    } else if (what <= 4) {
        sim_strikes_disk(world, draw_instance(world));
    } else {
        sim_strikes_instance(world, draw_instance(world));
    }
}

/* --- time --- */

static uint64_t next_event_ms(const struct world *world)
{
    uint64_t next_ms = sim_earlier(sim_traffic_next_ms(world->traffic),
                                   sim_request_next_left_ms(&world->common.left));

    for (size_t i = 0; i < world->instance_count; i++) {
        next_ms = sim_earlier(next_ms, sim_instance_next_ms(&world->instances[i]));
        next_ms = sim_earlier(next_ms, world->instances[i].upgraded_at_ms);
    }
    next_ms = sim_earlier(next_ms, sim_servers_next_ms(world));
    if (!world->is_quiet) {
        next_ms = sim_earlier(next_ms, world->fault_at_ms);
    }
    return next_ms > clock_monotonic_ms() ? next_ms : clock_monotonic_ms();
}

/* handles the events that are due at one moment; their order does not matter */
static void step(struct world *world)
{
    uint64_t now_ms = next_event_ms(world);

    world->steps = now_ms == clock_monotonic_ms() ? world->steps + 1 : 0;
    if (world->steps > STEPS_MAX) {
        oracle_accuse("something is done again and again without end");
    }
    sim_clock_advance_to(now_ms);
    sim_servers_run_due(world);
    sim_request_run_left(&world->common.left);
    sim_traffic_run_due(world->traffic);
    if (!world->is_quiet && world->fault_at_ms <= now_ms) {
        strike(world);
    }
    for (size_t i = 0; i < world->instance_count; i++) {
        if (world->instances[i].disk_mended_at_ms <= now_ms) {
            sim_strikes_mend_disk(&world->instances[i]);
        }
        if (world->instances[i].upgraded_at_ms <= now_ms) {
            sim_strikes_upgrade(world, &world->instances[i]);
        }
        if (world->instances[i].ends_at_ms <= now_ms) {
            sim_strikes_mend(world, &world->instances[i]);
        }
        sim_instance_run_due(&world->instances[i]);
    }
}

static bool is_done(const struct world *world)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        if (!sim_instance_is_done(&world->instances[i])) {
            return false;
        }
    }
    return list_is_empty(&world->common.left) && sim_traffic_next_ms(world->traffic) == SIM_NEVER;
}

void sim_world_settle(struct world *world)
{
    uint64_t limit_ms = world->common.absence_ms + QUIET_MAX_MS;
    uint64_t end_ms = clock_monotonic_ms() + limit_ms;

    while (!is_done(world) && next_event_ms(world) <= end_ms && *oracle_violation() == '\0') {
        step(world);
    }
    if (!is_done(world)) {
        oracle_accuse("not done after %llu s without faults", (unsigned long long)limit_ms / 1000);
    }
}

/* breaks and restores every link, so that each instance compares its ledger with the store */
static void reconnect_all(struct world *world)
{
    static const struct sim_store_weather good = {.latency_ms = 5, .timeout_ms = 1000};

    world->common.weather = good;
    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];

        instance->stalled_until_ms = 0;
        sim_strikes_mend_disk(instance);
        if (sim_instance_is_up(instance)) {
            sim_store_set_weather(instance->store, &good);
            sim_servers_cut_off(world, instance, world->active, 1000);
        }
        if (instance->ends_at_ms == SIM_NEVER) {
            instance->ends_at_ms = clock_monotonic_ms();
        }
    }
}

static void become_quiet(struct world *world)
{
    sim_say("the world becomes quiet");
    world->is_quiet = true;
    sim_servers_mend(world);
    for (size_t i = 0; i < world->instance_count; i++) {
        if (world->instances[i].upgraded_at_ms != SIM_NEVER) {
            sim_strikes_upgrade(world, &world->instances[i]);
        }
    }
    sim_traffic_end(world->traffic);
    reconnect_all(world);
    sim_world_settle(world);
    reconnect_all(world);
    sim_world_settle(world);
}

/* --- a run --- */

static struct world *create_world(struct sim_tally *tally)
{
    struct world *world = calloc(1, sizeof(*world));
    struct sim_traffic_options traffic;

    if (world == NULL) {
        abort();
    }
    world->tally = tally;
    list_init(&world->common.left);
    world->instance_count = sim_draw_between(1, ORACLE_INSTANCES);
    traffic.instances = world->instances;
    traffic.instance_count = world->instance_count;
    sim_weather_draw(&world->weather, &world->common, &traffic);
    world->site_count = traffic.sites;
    oracle_begin(world->weather.climate == SIM_STEADY && !world->weather.loses_keys);
    sim_servers_create(world);
    for (size_t i = 0; i < world->instance_count; i++) {
        world->instances[i] = (struct sim_instance){.common = &world->common,
                                                    .number = i,
                                                    .files = sim_files_create(i),
                                                    .version = SIM_NEW,
                                                    .upgraded_at_ms = SIM_NEVER,
                                                    .disk_mended_at_ms = SIM_NEVER};
        sim_strikes_begin_old(world, &world->instances[i]);
        sim_instance_start(&world->instances[i], world->active, true);
    }
    world->traffic = sim_traffic_create(&traffic);
    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->weather.fault_ms);
    return world;
}

static void add_stats(struct sim_tally *tally, const struct stats *stats)
{
    tally->counted += stats->applied;
    tally->duplicate_visits += stats->duplicate_visits;
    tally->journaled += stats->journaled;
    tally->refused += stats->refused;
    tally->unknown += stats->unknown;
    tally->duplicate_batches += stats->duplicate_batches;
    tally->replayed += stats->replayed;
    tally->resent_visits += stats->resent_visits;
    tally->lost += stats->lost;
}

/* lets the oracle judge the lost visits, and each copy of the store */
static void judge(struct world *world)
{
    bool is_steady = world->weather.climate == SIM_STEADY && !world->weather.loses_keys;
    bool may_lose = world->weather.may_lose || world->may_lose;

    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];
        uint64_t own;

        if (!sim_instance_is_up(instance)) {
            continue;
        }
        own = instance->lost + engine_stats(instance->engine)->lost;
        if (own != 0 &&
            (is_steady || (instance->generation == 1 && !may_lose && !instance->may_lose))) {
            oracle_accuse("instance %zu says that %llu visits are lost", instance->number,
                          (unsigned long long)own);
        }
    }
    for (size_t i = 0; i < SIM_NODES; i++) {
        /* if batches are retained for too short a time, a loss shows only with the next batch */
        oracle_judge(world->nodes[i].database, &world->nodes[i] == world->active && !may_lose);
    }
}

static void destroy_world(struct world *world)
{
    sim_request_drop_left(&world->common.left);
    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];
        bool has_journal_left = false;

        if (sim_instance_is_up(instance)) {
            has_journal_left = sim_instance_waiting_asides(instance) != 0;
            add_stats(world->tally, engine_stats(instance->engine));
            sim_instance_stop(instance, SIM_ENDS);
        }
        if (*oracle_violation() == '\0' && !has_journal_left &&
            sim_files_count(instance->files) != 0) {
            oracle_accuse("instance %zu leaves files in an empty journal", instance->number);
        }
        sim_files_crash(instance->files, false);
        sim_files_destroy(instance->files);
    }
    sim_request_drop_left(&world->common.left);
    world->tally->requests += sim_traffic_requests(world->traffic);
    world->tally->tokens_shared += sim_traffic_shared_tokens(world->traffic);
    world->tally->calm_runs += world->weather.is_calm ? 1 : 0;
    world->tally->attempts += sim_traffic_attempts(world->traffic);
    sim_traffic_destroy(world->traffic);
    sim_servers_destroy(world);
    free(world);
}

const char *sim_world_run(uint64_t seed, struct sim_tally *tally)
{
    struct world *world;
    uint64_t end_ms;

    sim_clock_begin(seed);
    world = create_world(tally);
    end_ms = clock_monotonic_ms() + world->weather.storm_ms;
    while (next_event_ms(world) < end_ms && *oracle_violation() == '\0') {
        step(world);
    }
    if (*oracle_violation() == '\0') {
        become_quiet(world);
    }
    if (*oracle_violation() == '\0' && !world->weather.sets_wall && sim_chance(300)) {
        sim_edge_run(world);
    }
    if (*oracle_violation() == '\0') {
        judge(world);
    }
    destroy_world(world);
    tally->runs++;
    return *oracle_violation() != '\0' ? oracle_violation() : NULL;
}
