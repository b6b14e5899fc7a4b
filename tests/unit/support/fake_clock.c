/* SPDX-License-Identifier: MIT */
#include "fake_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* enough for one event: its callback, a task, and a task that this task schedules */
#define TURNS_PER_STEP 4

static bool is_stopped;
static uint64_t monotonic_ms;
static uint64_t wall_ms;

int clock_gettime(clockid_t id, struct timespec *ret_now)
{
    uint64_t now_ms = id == CLOCK_MONOTONIC ? monotonic_ms : wall_ms;

    if (!is_stopped || (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME)) {
        return (int)syscall(SYS_clock_gettime, id, ret_now);
    }
    ret_now->tv_sec = (time_t)(now_ms / 1000);
    ret_now->tv_nsec = (long)(now_ms % 1000) * 1000000;
    return 0;
}

void fake_clock_stop(uint64_t stop_monotonic_ms, uint64_t stop_wall_ms)
{
    monotonic_ms = stop_monotonic_ms;
    wall_ms = stop_wall_ms;
    is_stopped = true;
}

void fake_clock_release(void)
{
    is_stopped = false;
}

void fake_clock_advance(uint64_t ms)
{
    monotonic_ms += ms;
    wall_ms += ms;
}

/* a task that is always scheduled keeps the loop from sleeping */
struct countdown {
    struct loop_task task;
    struct loop *loop;
    unsigned turns;
};

static void on_turn_end(struct loop_task *task)
{
    struct countdown *countdown = container_of(task, struct countdown, task);

    if (--countdown->turns == 0) {
        loop_stop(countdown->loop);
    } else {
        loop_task_schedule(countdown->loop, task);
    }
}

void loop_turn(struct loop *loop, unsigned turns)
{
    struct countdown countdown = {.loop = loop, .turns = turns};

    loop_task_init(&countdown.task, on_turn_end);
    loop_task_schedule(loop, &countdown.task);
    loop_run(loop);
}

void loop_advance(struct loop *loop, uint64_t ms, uint64_t step_ms)
{
    while (ms != 0) {
        uint64_t step = ms < step_ms ? ms : step_ms;

        fake_clock_advance(step);
        loop_turn(loop, TURNS_PER_STEP);
        ms -= step;
    }
}
