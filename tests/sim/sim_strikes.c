/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_world_inside.h"

#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY  (24 * MS_PER_HOUR)

/* the pause between two stalls, which bounds how late a visit may be answered */
#define STALL_PAUSE_MS 20000

/* each jump adds an hour or two to those of SIM_HOURS_MAX */
#define JUMPS_MAX 10

static void die(struct world *world, struct sim_instance *instance)
{
    instance->death = sim_chance(500) ? SIM_IS_KILLED : SIM_LOSES_ITS_POWER;
    world->tally->deaths++;
    if (sim_chance(500)) {
        /* it dies in the middle of its next writes, if there are any */
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

void sim_strikes_disk(struct world *world, struct sim_instance *instance)
{
    sim_say("instance %zu: the disk is bad", instance->number);
    sim_files_set_weather(instance->files, &world->weather.disk);
    instance->disk_mended_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 3000);
    if (world->weather.kills && sim_instance_is_up(instance) && sim_chance(300)) {
        instance->death = sim_chance(500) ? SIM_IS_KILLED : SIM_LOSES_ITS_POWER;
        sim_files_die_after(instance->files, (unsigned)sim_draw(40));
    }
}

void sim_strikes_mend_disk(struct sim_instance *instance)
{
    static const struct sim_files_weather good = {.room_bytes = UINT64_MAX};

    sim_files_set_weather(instance->files, &good);
    instance->disk_mended_at_ms = SIM_NEVER;
}

void sim_strikes_instance(struct world *world, struct sim_instance *instance)
{
    const struct sim_weather *weather = &world->weather;

    if (!sim_instance_is_up(instance) || instance->ends_at_ms != SIM_NEVER) {
        return; /* an instance has one fault at a time */
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
        sim_servers_cut_off(world, instance, world->active, weather->outage_ms);
        break;
    }
}

void sim_strikes_mend(struct world *world, struct sim_instance *instance)
{
    instance->ends_at_ms = SIM_NEVER;
    if (!sim_instance_is_up(instance)) {
        sim_strikes_mend_disk(instance); /* the journal does not open on a bad disk */
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

static int64_t draw_wall_off_ms(void)
{
    switch (sim_draw(4)) {
    case 0:
        return 0;
    case 1:
        return (int64_t)sim_draw(2 * MS_PER_HOUR) - MS_PER_HOUR;
    case 2:
        return (int64_t)sim_draw_skewed(1, 3000) * MS_PER_DAY;
    default:
        return -(int64_t)sim_draw_skewed(1, 3000) * MS_PER_DAY;
    }
}

void sim_strikes_clock(struct world *world, struct sim_instance *instance)
{
    if (world->jumps < JUMPS_MAX) {
        world->jumps++;
        world->tally->clock_jumps++;
        instance->wall_off_ms = draw_wall_off_ms();
        sim_say("instance %zu: the wall clock is %lld s off", instance->number,
                (long long)(instance->wall_off_ms / 1000));
    }
}

/* an old instance may write next to new ones for a long time */
void sim_strikes_begin_old(struct world *world, struct sim_instance *instance)
{
    if (world->weather.upgrades) {
        instance->version = SIM_OLD;
        instance->upgraded_at_ms =
            clock_monotonic_ms() + sim_draw_skewed(1, world->weather.storm_ms);
    }
}

void sim_strikes_upgrade(struct world *world, struct sim_instance *instance)
{
    sim_say("instance %zu is to be of the new version", instance->number);
    world->tally->upgrades++;
    instance->upgraded_at_ms = SIM_NEVER;
    if (sim_instance_is_up(instance)) {
        restart(instance);
    }
    instance->version = SIM_NEW;
}
