/* SPDX-License-Identifier: MIT */
#include "loop/disk.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define JOBS        1000

struct fixture {
    struct loop *loop;
    struct disk *disk;
    struct loop_timer patience;
    bool ran_out;
    pthread_t loop_thread;
    int worked; /* only the disk thread writes it, until that thread has ended */
    int done;
    int wanted; /* the loop stops after this many jobs */
    sem_t go;   /* some jobs wait for it until the test continues them */
};

struct numbered_job {
    struct disk_job job;
    struct fixture *fixture;
    int number_worked;
    int number_done;
    bool was_on_loop_thread;
    int again; /* how often `done` submits it once more */
};

static void on_patience(struct loop_timer *timer)
{
    struct fixture *fixture = container_of(timer, struct fixture, patience);

    fixture->ran_out = true;
    loop_stop(fixture->loop);
}

/* runs the loop until `wanted` jobs are done in all */
static void run_loop(struct fixture *fixture, int wanted)
{
    fixture->wanted = wanted;
    loop_timer_start(fixture->loop, &fixture->patience, PATIENCE_MS);
    loop_run(fixture->loop);
    loop_timer_stop(&fixture->patience);
    assert_false(fixture->ran_out);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->loop = loop_create();
    fixture->disk = disk_create(fixture->loop);
    fixture->loop_thread = pthread_self();
    loop_timer_init(&fixture->patience, on_patience);
    sem_init(&fixture->go, 0, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    loop_timer_stop(&fixture->patience);
    disk_destroy(fixture->disk);
    loop_destroy(fixture->loop);
    sem_destroy(&fixture->go);
    free(fixture);
    return 0;
}

static void work(struct disk_job *job)
{
    struct numbered_job *numbered = container_of(job, struct numbered_job, job);

    numbered->was_on_loop_thread =
        pthread_equal(pthread_self(), numbered->fixture->loop_thread) != 0;
    numbered->number_worked = numbered->fixture->worked++;
}

static void work_after_go(struct disk_job *job)
{
    struct numbered_job *numbered = container_of(job, struct numbered_job, job);

    while (sem_wait(&numbered->fixture->go) != 0) {
        continue;
    }
    work(job);
}

static void on_done(struct disk_job *job)
{
    struct numbered_job *numbered = container_of(job, struct numbered_job, job);
    struct fixture *fixture = numbered->fixture;

    assert_true(pthread_equal(pthread_self(), fixture->loop_thread));
    numbered->number_done = fixture->done++;
    if (numbered->again > 0) {
        numbered->again--;
        disk_submit(fixture->disk, job);
    }
    if (fixture->done == fixture->wanted) {
        loop_stop(fixture->loop);
    }
}

static void submit(struct fixture *fixture, struct numbered_job *job)
{
    job->fixture = fixture;
    if (job->job.work == NULL) {
        job->job.work = work;
    }
    job->job.done = on_done;
    disk_submit(fixture->disk, &job->job);
}

static void test_jobs_run_in_order_on_another_thread(void **state)
{
    struct fixture *fixture = *state;
    struct numbered_job *jobs = calloc(JOBS, sizeof(*jobs));

    assert_non_null(jobs);
    for (int i = 0; i < JOBS; i++) {
        submit(fixture, &jobs[i]);
    }
    assert_int_equal(fixture->done, 0); /* `done` runs only in the loop */
    run_loop(fixture, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].number_worked, i);
        assert_int_equal(jobs[i].number_done, i);
        assert_false(jobs[i].was_on_loop_thread);
    }
    free(jobs);
}

static void test_a_finished_job_may_be_submitted_again(void **state)
{
    struct fixture *fixture = *state;
    struct numbered_job job = {.again = 99};

    submit(fixture, &job);
    run_loop(fixture, 100);
    assert_int_equal(job.number_worked, 99);
}

struct ticking {
    struct loop_timer timer;
    struct fixture *fixture;
    int count;
};

/* continues the job after some turns of the loop */
static void on_tick(struct loop_timer *timer)
{
    struct ticking *ticking = container_of(timer, struct ticking, timer);

    if (++ticking->count == 10) {
        sem_post(&ticking->fixture->go);
    } else {
        loop_timer_start(ticking->fixture->loop, timer, 1);
    }
}

static void test_the_loop_turns_while_a_job_waits(void **state)
{
    struct fixture *fixture = *state;
    struct numbered_job job = {.job.work = work_after_go};
    struct ticking ticking = {.fixture = fixture};

    loop_timer_init(&ticking.timer, on_tick);
    loop_timer_start(fixture->loop, &ticking.timer, 1);
    submit(fixture, &job);
    run_loop(fixture, 1);
    assert_int_equal(ticking.count, 10);
}

static void test_destroy_finishes_all_jobs(void **state)
{
    struct fixture *fixture = *state;
    struct numbered_job first = {.job.work = work_after_go};
    struct numbered_job *jobs = calloc(JOBS, sizeof(*jobs));

    assert_non_null(jobs);
    submit(fixture, &first);
    for (int i = 0; i < JOBS; i++) {
        submit(fixture, &jobs[i]);
    }
    sem_post(&fixture->go);
    disk_destroy(fixture->disk);
    fixture->disk = NULL;
    assert_int_equal(fixture->worked, JOBS + 1);
    assert_int_equal(fixture->done, JOBS + 1);
    free(jobs);
}

static void test_destroy_without_jobs(void **state)
{
    (void)state; /* the teardown destroys the fixture */
    disk_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        TEST(test_jobs_run_in_order_on_another_thread),
        TEST(test_a_finished_job_may_be_submitted_again),
        TEST(test_the_loop_turns_while_a_job_waits),
        TEST(test_destroy_finishes_all_jobs),
        TEST(test_destroy_without_jobs),
    };

    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
