/* SPDX-License-Identifier: MIT */
#include "loop/disk.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct disk {
    pthread_t thread;
    struct st_h2o_socket_t *watched;
    int wake_fd; /* the thread writes it when a job is finished; the loop owns it */

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    struct list submitted;
    struct list finished;
    bool ending;
};

static struct disk_job *job_of(struct list *link)
{
    return container_of(link, struct disk_job, link);
}

/* waits for the next job; returns NULL if the thread has to end and no job is left */
static struct list *pop_submitted(struct disk *disk)
{
    struct list *link;

    pthread_mutex_lock(&disk->mutex);
    while ((link = list_pop_first(&disk->submitted)) == NULL && !disk->ending) {
        pthread_cond_wait(&disk->changed, &disk->mutex);
    }
    pthread_mutex_unlock(&disk->mutex);
    return link;
}

static void *run_thread(void *data)
{
    struct disk *disk = data;
    struct list *link;

    while ((link = pop_submitted(disk)) != NULL) {
        job_of(link)->work(job_of(link));
        pthread_mutex_lock(&disk->mutex);
        list_append(&disk->finished, link);
        pthread_mutex_unlock(&disk->mutex);
        eventfd_write(disk->wake_fd, 1);
    }
    return NULL;
}

static void on_finished(void *data)
{
    struct disk *disk = data;
    struct list finished;
    struct list *link;

    list_init(&finished);
    pthread_mutex_lock(&disk->mutex);
    list_move_all(&finished, &disk->finished);
    pthread_mutex_unlock(&disk->mutex);
    while ((link = list_pop_first(&finished)) != NULL) {
        job_of(link)->done(job_of(link));
    }
}

struct disk *disk_create(struct loop *loop)
{
    struct disk *disk = alloc_zero(1, sizeof(*disk));

    list_init(&disk->submitted);
    list_init(&disk->finished);
    pthread_mutex_init(&disk->mutex, NULL);
    pthread_cond_init(&disk->changed, NULL);
    disk->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (disk->wake_fd < 0) {
        abort();
    }
    disk->watched = loop_watch_eventfd(loop, disk->wake_fd, on_finished, disk);
    if (pthread_create(&disk->thread, NULL, run_thread, disk) != 0) {
        abort();
    }
    return disk;
}

void disk_destroy(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    pthread_mutex_lock(&disk->mutex);
    disk->ending = true;
    pthread_cond_signal(&disk->changed);
    pthread_mutex_unlock(&disk->mutex);
    pthread_join(disk->thread, NULL);
    on_finished(disk);
    loop_unwatch_eventfd(disk->watched);
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

void disk_submit(struct disk *disk, struct disk_job *job)
{
    pthread_mutex_lock(&disk->mutex);
    list_append(&disk->submitted, &job->link);
    pthread_mutex_unlock(&disk->mutex);
    pthread_cond_signal(&disk->changed); /* after the unlock: no wait for the mutex */
}
