/* SPDX-License-Identifier: MIT */
#include "sim_disk.h"

#include "base/clock.h"
#include "sim_clock.h"

#include <stdlib.h>

struct disk {
    struct list submitted; /* jobs to do; the work of the first one takes until `at_ms` */
    struct list worked;    /* jobs that are done; the first one reports at `at_ms` */
    uint64_t at_ms;
    uint64_t latency_ms;
};

static struct disk_job *job_of(struct list *link)
{
    return container_of(link, struct disk_job, link);
}

struct disk *disk_create(struct loop *loop)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    (void)loop;
    if (disk == NULL) {
        abort();
    }
    list_init(&disk->submitted);
    list_init(&disk->worked);
    return disk;
}

static void wait_again(struct disk *disk)
{
    disk->at_ms = clock_monotonic_ms() + sim_draw_skewed(0, disk->latency_ms);
}

static void work_at_first(struct disk *disk)
{
    struct list *link = list_pop_first(&disk->submitted);

    job_of(link)->work(job_of(link));
    list_append(&disk->worked, link);
}

static void tell_first(struct disk *disk)
{
    struct list *link = list_pop_first(&disk->worked);

    job_of(link)->done(job_of(link));
}

void disk_destroy(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    sim_disk_work_all(disk);
    while (!list_is_empty(&disk->worked)) {
        tell_first(disk);
    }
    free(disk);
}

void disk_submit(struct disk *disk, struct disk_job *job)
{
    if (list_is_empty(&disk->submitted) && list_is_empty(&disk->worked)) {
        wait_again(disk);
    }
    list_append(&disk->submitted, &job->link);
}

void sim_disk_set_latency(struct disk *disk, uint64_t latency_ms)
{
    disk->latency_ms = latency_ms;
}

uint64_t sim_disk_next_ms(const struct disk *disk)
{
    return list_is_empty(&disk->submitted) && list_is_empty(&disk->worked) ? UINT64_MAX
                                                                           : disk->at_ms;
}

void sim_disk_run_one(struct disk *disk)
{
    if (!list_is_empty(&disk->worked)) {
        tell_first(disk);
    } else {
        work_at_first(disk);
    }
    wait_again(disk);
}

void sim_disk_work_all(struct disk *disk)
{
    while (!list_is_empty(&disk->submitted)) {
        work_at_first(disk);
    }
}
