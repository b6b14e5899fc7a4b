/* SPDX-License-Identifier: MIT */
#include "sim_loop.h"

#include "base/clock.h"

#include <stdlib.h>

struct loop {
    struct list timers; /* sorted by at_ms */
    struct list tasks;
};

static struct loop_timer *first_timer(const struct loop *loop)
{
    return list_is_empty(&loop->timers) ? NULL
                                        : container_of(loop->timers.next, struct loop_timer, link);
}

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        abort();
    }
    list_init(&loop->timers);
    list_init(&loop->tasks);
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop != NULL && (!list_is_empty(&loop->timers) || !list_is_empty(&loop->tasks))) {
        abort(); /* their owner has not stopped them */
    }
    free(loop);
}

void loop_stay_awake(struct loop *loop, uint64_t for_us)
{
    (void)loop;
    (void)for_us; /* it never sleeps */
}

uint64_t loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return clock_monotonic_ms();
}

/* a simulated process is never suspended */
uint64_t loop_lost_ms(const struct loop *loop)
{
    (void)loop;
    return 0;
}

uint64_t loop_patience_ms(struct loop *loop)
{
    return loop_now_ms(loop);
}

void loop_timer_init(struct loop_timer *timer, void (*on_expire)(struct loop_timer *timer))
{
    list_init(&timer->link);
    timer->on_expire = on_expire;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    struct list *position = &loop->timers;

    list_remove(&timer->link);
    timer->at_ms = clock_monotonic_ms() + (delay_ms != 0 ? delay_ms : 1);
    while (position->prev != &loop->timers &&
           container_of(position->prev, struct loop_timer, link)->at_ms > timer->at_ms) {
        position = position->prev;
    }
    list_insert_before(position, &timer->link);
}

void loop_timer_stop(struct loop_timer *timer)
{
    list_remove(&timer->link);
}

bool loop_timer_is_active(const struct loop_timer *timer)
{
    return !list_is_empty(&timer->link);
}

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task))
{
    list_init(&task->link);
    task->run = run;
}

void loop_task_schedule(struct loop *loop, struct loop_task *task)
{
    if (list_is_empty(&task->link)) {
        list_append(&loop->tasks, &task->link);
    }
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->link);
}

static void run_timers(struct loop *loop)
{
    struct loop_timer *timer;

    while ((timer = first_timer(loop)) != NULL && timer->at_ms <= clock_monotonic_ms()) {
        list_remove(&timer->link);
        timer->on_expire(timer);
    }
}

static void run_tasks(struct loop *loop)
{
    struct list due;
    struct list *link;

    list_init(&due);
    list_move_all(&due, &loop->tasks);
    while ((link = list_pop_first(&due)) != NULL) {
        struct loop_task *task = container_of(link, struct loop_task, link);

        task->run(task);
    }
}

void sim_loop_run_due(struct loop *loop)
{
    do {
        run_timers(loop);
        run_tasks(loop);
    } while (!list_is_empty(&loop->tasks));
}

uint64_t sim_loop_next_ms(const struct loop *loop)
{
    return first_timer(loop) != NULL ? first_timer(loop)->at_ms : UINT64_MAX;
}
