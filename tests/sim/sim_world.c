/* SPDX-License-Identifier: MIT */
#include "sim_world.h"

#include "base/clock.h"
#include "oracle.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_traffic.h"
#include "sim_weather.h"

#include <stdlib.h>
#include <string.h>

#define NODES 2

#define MS_PER_HOUR 3600000

/* longer than anything takes in a world without faults, the longest backoff included */
#define QUIET_MAX_MS 60000

/* one stall does not follow the other, so that patience has a limit */
#define STALL_PAUSE_MS 20000

/* so many things do not happen at one moment */
#define STEPS_MAX 20000

/* how often a server's memory reaches its disk */
#define EVERYSEC_MS 1000

struct world {
    struct sim_weather weather;
    struct sim_instances common;
    struct sim_node nodes[NODES];
    struct sim_node *active;       /* the one that instances connect to */
    struct sim_database *snapshot; /* what the active one goes back to */
    uint64_t snapshot_at_ms;       /* the next */
    struct sim_instance instances[ORACLE_INSTANCES];
    size_t instance_count;
    struct sim_traffic *traffic;
    bool is_quiet;
    int64_t wall_off_ms;
    uint64_t fault_at_ms;
    unsigned steps; /* since the clock moved */
    struct sim_tally *tally;
};

static struct sim_instance *draw_instance(struct world *world)
{
    return &world->instances[sim_draw(world->instance_count)];
}

/* --- the store --- */

/* the link breaks for a while; what is on the other side afterwards is `node` */
static void cut_off(struct world *world, struct sim_instance *instance, struct sim_node *node,
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

static void cut_all_off(struct world *world, uint64_t most_ms)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        cut_off(world, &world->instances[i], world->active, most_ms);
    }
}

static void crash_server(struct world *world, uint64_t most_ms)
{
    sim_say("the server crashes, and lost what it did since the last snapshot");
    world->tally->rollbacks++;
    world->active->incarnation++;
    sim_database_copy(world->active->database, world->snapshot);
    cut_all_off(world, most_ms);
}

static void take_snapshot(struct world *world)
{
    sim_database_copy(world->snapshot, world->active->database);
    world->snapshot_at_ms = world->weather.climate == SIM_CRASHING && !world->is_quiet
                                ? clock_monotonic_ms() + EVERYSEC_MS
                                : SIM_NEVER;
}

/* the other server takes over: as it was, or as a replica that caught up */
static void fail_over(struct world *world)
{
    struct sim_node *before = world->active;

    world->active = &world->nodes[before == &world->nodes[0] ? 1 : 0];
    world->tally->rollbacks++;
    sim_say("server %zu takes over", (size_t)(world->active - world->nodes));
    if (sim_chance(300)) {
        sim_say("it had caught up");
        sim_database_copy(world->active->database, before->database);
    }
    if (sim_chance(600)) {
        cut_all_off(world, 1000);
        return;
    }
    /* some do not notice, or are told by and by */
    for (size_t i = 0; i < world->instance_count; i++) {
        if (sim_instance_is_up(&world->instances[i]) && sim_chance(500)) {
            sim_store_set_node(world->instances[i].store, world->active);
        }
    }
}

static void strike_store(struct world *world)
{
    switch (world->weather.climate) {
    case SIM_STEADY:
        break;
    case SIM_CRASHING:
        crash_server(world, world->weather.outage_ms);
        break;
    case SIM_COPIED:
        if (sim_chance(500)) {
            fail_over(world);
        } else if (sim_chance(500)) {
            sim_say("a snapshot of the server");
            take_snapshot(world);
        } else {
            crash_server(world, world->weather.outage_ms);
        }
        break;
    }
}

/* --- instances --- */

static void die(struct world *world, struct sim_instance *instance)
{
    instance->death = sim_chance(500) ? SIM_IS_KILLED : SIM_LOSES_ITS_POWER;
    world->tally->deaths++;
    if (sim_chance(500)) {
        /* in the middle of what it writes next, if it writes */
        sim_files_die_after(instance->files, (unsigned)sim_draw(8));
        return;
    }
    sim_instance_stop(instance, instance->death);
    instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->common.absence_ms);
}

static void restart(struct sim_instance *instance)
{
    engine_stop(instance->engine);
    sim_instance_stop(instance, SIM_ENDS);
    instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 1000);
}

static void strike_disk(struct world *world, struct sim_instance *instance)
{
    sim_say("instance %zu: the disk is bad", instance->number);
    sim_files_set_weather(instance->files, &world->weather.disk);
    instance->disk_mended_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 3000);
    if (world->weather.kills && sim_instance_is_up(instance) && sim_chance(300)) {
        instance->death = sim_chance(500) ? SIM_IS_KILLED : SIM_LOSES_ITS_POWER;
        sim_files_die_after(instance->files, (unsigned)sim_draw(40));
    }
}

static void mend_disk(struct sim_instance *instance)
{
    static const struct sim_files_weather good = {.room_bytes = UINT64_MAX};

    sim_files_set_weather(instance->files, &good);
    instance->disk_mended_at_ms = SIM_NEVER;
}

static void strike_instance(struct world *world, struct sim_instance *instance)
{
    const struct sim_weather *weather = &world->weather;

    if (!sim_instance_is_up(instance) || instance->ends_at_ms != SIM_NEVER) {
        return; /* one thing at a time */
    }
    switch (sim_draw(7)) {
    case 0:
        sim_say("instance %zu: the store refuses", instance->number);
        sim_store_refuse(instance->store, true);
        instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 3000);
        break;
    case 1:
        if (weather->stall_ms != 0 &&
            clock_monotonic_ms() > instance->stalled_until_ms + STALL_PAUSE_MS) {
            sim_say("instance %zu stalls", instance->number);
            instance->stalled_until_ms =
                clock_monotonic_ms() + sim_draw_skewed(1, weather->stall_ms);
        }
        break;
    case 2:
    case 3:
        if (weather->kills) {
            die(world, instance);
        }
        break;
    case 4:
        if (weather->kills) {
            restart(instance);
        }
        break;
    default:
        cut_off(world, instance, world->active, weather->outage_ms);
        break;
    }
}

/* what a fault had begun is over */
static void mend(struct world *world, struct sim_instance *instance)
{
    instance->ends_at_ms = SIM_NEVER;
    if (!sim_instance_is_up(instance)) {
        mend_disk(instance); /* it does not start on a bad one */
        sim_instance_start(instance, world->active, world->is_quiet || sim_chance(800));
        if (sim_instance_is_up(instance) && !sim_store_is_available(instance->store)) {
            instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 3000);
        }
        return;
    }
    sim_store_refuse(instance->store, false);
    if (!sim_store_is_available(instance->store)) {
        sim_store_set_node(instance->store, world->active);
        sim_store_come_back(instance->store);
    }
}

/* up to an hour off, which keeps the hours of a run few */
static void set_wall(struct world *world)
{
    int64_t off_ms = (int64_t)sim_draw(2 * MS_PER_HOUR) - MS_PER_HOUR;

    sim_say("the wall clock is set");
    sim_clock_step_wall(off_ms - world->wall_off_ms);
    world->wall_off_ms = off_ms;
}

static void strike(struct world *world)
{
    uint64_t what = sim_draw(8);

    if (what == 0 && world->weather.sets_wall) {
        set_wall(world);
    } else if (what <= 1) {
        strike_store(world);
    } else if (what <= 2) {
        strike_disk(world, draw_instance(world));
    } else {
        strike_instance(world, draw_instance(world));
    }
    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->weather.fault_ms);
}

/* --- time --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event_ms(const struct world *world)
{
    uint64_t next_ms =
        earlier(sim_traffic_next_ms(world->traffic), sim_store_next_left_ms(&world->common.left));

    for (size_t i = 0; i < world->instance_count; i++) {
        next_ms = earlier(next_ms, sim_instance_next_ms(&world->instances[i]));
    }
    next_ms = earlier(next_ms, world->snapshot_at_ms);
    if (!world->is_quiet) {
        next_ms = earlier(next_ms, world->fault_at_ms);
    }
    return next_ms > clock_monotonic_ms() ? next_ms : clock_monotonic_ms();
}

/* one moment: what is due happens, in an order that does not matter to anybody */
static void step(struct world *world)
{
    uint64_t now_ms = next_event_ms(world);

    world->steps = now_ms == clock_monotonic_ms() ? world->steps + 1 : 0;
    if (world->steps > STEPS_MAX) {
        oracle_accuse("something is done again and again without end");
    }
    sim_clock_advance_to(now_ms);
    if (world->snapshot_at_ms <= now_ms) {
        take_snapshot(world);
    }
    sim_store_run_left(&world->common.left);
    sim_traffic_run_due(world->traffic);
    if (!world->is_quiet && world->fault_at_ms <= now_ms) {
        strike(world);
    }
    for (size_t i = 0; i < world->instance_count; i++) {
        if (world->instances[i].disk_mended_at_ms <= now_ms) {
            mend_disk(&world->instances[i]);
        }
        if (world->instances[i].ends_at_ms <= now_ms) {
            mend(world, &world->instances[i]);
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

static void settle(struct world *world)
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

/* every link breaks, and is mended: each instance looks at what the store has */
static void reconnect_all(struct world *world)
{
    static const struct sim_store_weather good = {.latency_ms = 5, .timeout_ms = 1000};

    world->common.weather = good;
    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];

        instance->stalled_until_ms = 0;
        mend_disk(instance);
        if (sim_instance_is_up(instance)) {
            sim_store_set_weather(instance->store, &good);
            cut_off(world, instance, world->active, 1000);
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
    world->snapshot_at_ms = SIM_NEVER;
    sim_traffic_end(world->traffic);
    reconnect_all(world);
    settle(world);
    reconnect_all(world);
    settle(world);
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
    oracle_begin(world->weather.climate == SIM_STEADY);
    for (size_t i = 0; i < NODES; i++) {
        world->nodes[i].database = sim_database_create();
    }
    world->active = &world->nodes[0];
    world->snapshot = sim_database_create();
    take_snapshot(world);
    for (size_t i = 0; i < world->instance_count; i++) {
        world->instances[i] = (struct sim_instance){.common = &world->common,
                                                    .number = i,
                                                    .files = sim_files_create(i),
                                                    .disk_mended_at_ms = SIM_NEVER};
        sim_instance_start(&world->instances[i], world->active, true);
    }
    world->traffic = sim_traffic_create(&traffic);
    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->weather.fault_ms);
    return world;
}

static void add_stats(struct sim_tally *tally, const struct stats *stats)
{
    tally->counted += stats->applied;
    tally->repeated += stats->repeated;
    tally->journaled += stats->journaled;
    tally->refused += stats->refused;
    tally->unknown += stats->unknown;
    tally->duplicates += stats->duplicates;
    tally->replayed += stats->replayed;
    tally->healed += stats->healed;
    tally->lost += stats->lost;
}

/* ends what is there, and lets the oracle look at each copy of the store */
static void judge(struct world *world)
{
    bool is_steady = world->weather.climate == SIM_STEADY;

    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];
        uint64_t own;

        if (!sim_instance_is_up(instance)) {
            continue;
        }
        own = instance->lost + engine_stats(instance->engine)->lost;
        if (own != 0 && (is_steady || (instance->generation == 1 && !world->weather.may_lose))) {
            oracle_accuse("instance %zu says that %llu visits are lost", instance->number,
                          (unsigned long long)own);
        }
    }
    for (size_t i = 0; i < NODES; i++) {
        /* where too little is kept, what is lost is found when the next batch is sent, if one is */
        oracle_judge(world->nodes[i].database,
                     &world->nodes[i] == world->active && !world->weather.may_lose);
    }
}

static void destroy_world(struct world *world)
{
    sim_store_drop_left(&world->common.left);
    for (size_t i = 0; i < world->instance_count; i++) {
        struct sim_instance *instance = &world->instances[i];

        if (sim_instance_is_up(instance)) {
            add_stats(world->tally, engine_stats(instance->engine));
            sim_instance_stop(instance, SIM_ENDS);
        }
        if (*oracle_violation() == '\0' && sim_files_count(instance->files) != 0) {
            oracle_accuse("instance %zu leaves files in an empty journal", instance->number);
        }
        sim_files_crash(instance->files, false);
        sim_files_destroy(instance->files);
    }
    sim_store_drop_left(&world->common.left);
    world->tally->requests += sim_traffic_requests(world->traffic);
    world->tally->attempts += sim_traffic_attempts(world->traffic);
    sim_traffic_destroy(world->traffic);
    sim_database_destroy(world->snapshot);
    for (size_t i = 0; i < NODES; i++) {
        sim_database_destroy(world->nodes[i].database);
    }
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
    if (*oracle_violation() == '\0') {
        judge(world);
    }
    destroy_world(world);
    tally->runs++;
    return *oracle_violation() != '\0' ? oracle_violation() : NULL;
}
