/* SPDX-License-Identifier: MIT */
#include "sim_instance.h"

#include "base/clock.h"
#include "base/list.h"
#include "journal/journal.h"
#include "journal/journal_inside.h"
#include "journal/journal_job.h"
#include "oracle.h"
#include "sim_clock.h"
#include "sim_disk.h"
#include "sim_log.h"
#include "sim_loop.h"
#include "sim_version.h"

#include <stdlib.h>
#include <string.h>

void sim_instance_enter(const struct sim_instance *instance)
{
    sim_clock_use(instance->wall_off_ms);
    sim_version_use(instance->version);
}

bool sim_instance_is_up(const struct sim_instance *instance)
{
    return instance->engine != NULL;
}

/* takes a record over as the engine does, and logs it */
static struct journal_entry *on_record(void *data, struct journal_record *record)
{
    sim_say("journal: batch %llu of %s (%.4s), %zu pages, %zu tokens",
            (unsigned long long)record->sealed_batch->content.sequence, record->site, record->epoch,
            record->sealed_batch->content.entry_count, record->sealed_batch->content.token_count);
    return engine_restore(data, record);
}

static void open_journal(struct sim_instance *instance)
{
    struct journal_options options = {"/journal", instance->common->journal_max_bytes};
    struct buf errors = BUF_EMPTY;

    sim_files_use(instance->files);
    instance->journal = journal_open(instance->loop, instance->disk, &options, on_record,
                                     instance->engine, &errors);
    if (instance->journal == NULL) {
        oracle_accuse("instance %zu: %s", instance->number, errors.bytes);
    } else {
        sim_say("instance %zu has %llu visits in its journal", instance->number,
                (unsigned long long)journal_status(instance->journal)->visits);
        engine_use_journal(instance->engine, instance->journal);
    }
    buf_finish(&errors);
}

void sim_instance_start(struct sim_instance *instance, struct sim_node *node, bool available)
{
    struct sim_instances *common = instance->common;

    sim_say("instance %zu starts%s", instance->number, available ? "" : " without the store");
    sim_instance_enter(instance);
    instance->generation++;
    instance->is_gone = false;
    instance->stalled_until_ms = 0;
    instance->ends_at_ms = SIM_NEVER;
    instance->taken = 0;
    instance->turned_away = 0;
    memset(instance->told, 0, sizeof(instance->told));
    instance->loop = loop_create();
    instance->disk = disk_create(instance->loop);
    sim_disk_set_latency(instance->disk, common->disk_latency_ms);
    instance->store =
        sim_store_create(node, available, &common->weather, instance->number, instance->version);
    instance->engine =
        engine_create(instance->loop, sim_store_base(instance->store), &common->options);
    if (common->has_journal) {
        open_journal(instance);
    }
}

/* the statistics agree with the answers that the visitors got */
static void judge_stats(struct sim_instance *instance)
{
    const struct stats *stats = engine_stats(instance->engine);
    const uint64_t *told = instance->told;

    instance->lost += stats->lost;
    if (!instance->is_gone &&
        (stats->accepted != instance->taken || stats->waiting != 0 ||
         stats->applied != told[VISIT_COUNTED] ||
         stats->duplicate_visits != told[VISIT_DUPLICATE] ||
         stats->journaled != told[VISIT_JOURNALED] || stats->unknown != told[VISIT_UNKNOWN] ||
         stats->refused !=
             told[VISIT_REFUSED] + told[VISIT_TOO_MANY_PAGES] + instance->turned_away)) {
        oracle_accuse("instance %zu: its stats are not what it said", instance->number);
    }
}

/*
 * Destroys the parts in the order of the daemon. If the instance was killed, its answers reach no
 * visitor and its disk is dead.
 */
static void destroy_parts(struct sim_instance *instance)
{
    engine_abandon(instance->engine);
    if (instance->journal != NULL) {
        engine_use_journal(instance->engine, NULL);
        sim_disk_work_all(instance->disk);
        journal_close(instance->journal);
        instance->journal = NULL;
    }
    judge_stats(instance);
    sim_store_orphan(instance->store, &instance->common->left);
    engine_destroy(instance->engine);
    store_destroy(sim_store_base(instance->store));
    disk_destroy(instance->disk);
    loop_destroy(instance->loop);
    instance->engine = NULL;
    instance->store = NULL;
}

void sim_instance_stop(struct sim_instance *instance, enum sim_death death)
{
    static const char *const names[] = {"ends", "is killed", "loses its power"};

    sim_say("instance %zu %s", instance->number, names[death]);
    sim_instance_enter(instance);
    if (death == SIM_ENDS) {
        sim_files_live_on(instance->files); /* it ends before the planned death */
    } else {
        instance->is_gone = true;
        if (!sim_files_is_dead(instance->files)) {
            sim_files_die_after(instance->files, 0);
        }
    }
    destroy_parts(instance);
    sim_files_crash(instance->files, death == SIM_LOSES_ITS_POWER);
    oracle_instance_gone(instance->number);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool is_stalled(const struct sim_instance *instance)
{
    return instance->stalled_until_ms > clock_monotonic_ms();
}

uint64_t sim_instance_next_ms(const struct sim_instance *instance)
{
    uint64_t next_ms = earlier(instance->ends_at_ms, instance->disk_mended_at_ms);

    if (!sim_instance_is_up(instance)) {
        return next_ms;
    }
    if (is_stalled(instance)) {
        return earlier(next_ms, instance->stalled_until_ms);
    }
    next_ms = earlier(next_ms, sim_loop_next_ms(instance->loop));
    next_ms = earlier(next_ms, sim_store_next_ms(instance->store));
    return earlier(next_ms, sim_disk_next_ms(instance->disk));
}

void sim_instance_run_due(struct sim_instance *instance)
{
    if (!sim_instance_is_up(instance)) {
        return;
    }
    sim_instance_enter(instance);
    sim_store_run_due(instance->store, !is_stalled(instance));
    if (is_stalled(instance)) {
        return;
    }
    while (sim_disk_next_ms(instance->disk) <= clock_monotonic_ms() &&
           !sim_files_is_dead(instance->files)) {
        sim_disk_run_one(instance->disk);
    }
    if (sim_files_is_dead(instance->files)) {
        sim_instance_stop(instance, instance->death);
        instance->ends_at_ms =
            clock_monotonic_ms() + sim_draw_skewed(1, instance->common->absence_ms);
        return;
    }
    sim_loop_run_due(instance->loop);
}

uint64_t sim_instance_waiting_asides(const struct sim_instance *instance)
{
    uint64_t count = 0;

    if (instance->journal == NULL) {
        return 0;
    }
    list_for_each(link, &instance->journal->asides.waiting) {
        count++;
    }
    return count;
}

bool sim_instance_is_done(const struct sim_instance *instance)
{
    return instance->ends_at_ms == SIM_NEVER && instance->disk_mended_at_ms == SIM_NEVER &&
           sim_instance_is_up(instance) && engine_is_idle(instance->engine) &&
           sim_store_is_quiet(instance->store) &&
           (instance->journal == NULL ||
            journal_status(instance->journal)->records == sim_instance_waiting_asides(instance));
}
