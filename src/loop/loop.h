/* SPDX-License-Identifier: MIT */
/**
 * loop: the one event loop of the process: libh2o's, with timers on the monotonic clock, tasks for
 * the end of a turn, and signals.
 *
 * Everything here is called on the loop's thread. Timers and tasks are embedded in their owners,
 * who stop them before they free them.
 */
#ifndef VISITCOUNTD_LOOP_LOOP_H
#define VISITCOUNTD_LOOP_LOOP_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

/** Runs `on_expire` once, some time after it was started. */
struct loop_timer {
    struct list link;
    uint64_t at_ms;
    uint64_t lost_ms; /* loop_lost_ms() that is in `at_ms`; UINT64_MAX: pauses do not matter */
    void (*on_expire)(struct loop_timer *timer);
};

/** Runs `run` once, at the end of the turn in which it was scheduled. */
struct loop_task {
    struct list link;
    void (*run)(struct loop_task *task);
};

/** A new loop; aborts when the kernel gives no descriptors. */
struct loop *loop_create(void);

/** Frees the loop; all timers are stopped, all tasks have run or were cancelled. NULL is allowed.
 */
void loop_destroy(struct loop *loop);

/** Runs turns until loop_stop(). */
void loop_run(struct loop *loop);

/**
 * Whether a turn is under way. libh2o finishes what is written to its sockets only within a turn:
 * outside of one, writing is left to a task.
 */
bool loop_is_turning(const struct loop *loop);

/** Makes loop_run() return after this turn. */
void loop_stop(struct loop *loop);

/**
 * For so many microseconds from now the loop does not sleep, but looks for events again and again:
 * whatever comes meanwhile is met without waking up, at the price of the processor's time. 0: as
 * it was.
 */
void loop_stay_awake(struct loop *loop, uint64_t for_us);

/** Milliseconds of the monotonic clock. */
uint64_t loop_now_ms(const struct loop *loop);

/**
 * Milliseconds since the start in which the loop did not run although it should have: the process
 * was stopped, the machine was paused, or a turn took far too long. A wait for an answer must not
 * count this time. The answer may lie in a socket, or its question may not even have been sent.
 *
 * Of two turns in a row at most one counts as a pause. So a loop that is always late doubles a wait
 * at most.
 */
uint64_t loop_lost_ms(const struct loop *loop);

/**
 * The clock for how long to wait for an answer: loop_now_ms() without loop_lost_ms(). Deadlines
 * that are compared with it are made of it.
 */
uint64_t loop_patience_ms(struct loop *loop);

/** Prepares an idle timer. */
void loop_timer_init(struct loop_timer *timer, void (*on_expire)(struct loop_timer *timer));

/** Starts the timer, or starts it again, to expire in `delay_ms`; never from inside this call. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);

/**
 * Starts the timer on the clock of loop_patience_ms(): a pause of the process puts it off by the
 * length of the pause. For waits for an answer.
 */
void loop_timer_start_patience(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);

/** Stops the timer; harmless when it is idle. */
void loop_timer_stop(struct loop_timer *timer);

/** Whether the timer is going to expire. */
bool loop_timer_is_active(const struct loop_timer *timer);

/** Prepares an idle task. */
void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));

/**
 * Runs the task at the end of this turn; scheduled from a task, at the end of the next one.
 * Scheduling it twice is the same as once.
 */
void loop_task_schedule(struct loop *loop, struct loop_task *task);

/** Takes back a scheduled task; harmless when it is idle. */
void loop_task_cancel(struct loop_task *task);

/**
 * Blocks `signal` for the process and calls `on_signal` in the loop whenever it arrives. Called
 * before any thread is started; at most once per signal.
 */
void loop_watch_signal(struct loop *loop, int signal, void (*on_signal)(void *data, int signal),
                       void *data);

struct st_h2o_evloop_t;
struct st_h2o_multithread_receiver_t;
struct st_h2o_socket_t;

/**
 * Calls `on_readable` in the loop whenever the eventfd(2) `fd` was written, from any thread. The
 * loop owns `fd` from here on; loop_unwatch_eventfd() closes it.
 */
struct st_h2o_socket_t *loop_watch_eventfd(struct loop *loop, int fd,
                                           void (*on_readable)(void *data), void *data);
void loop_unwatch_eventfd(struct st_h2o_socket_t *watched);

/** For the few files that speak to libh2o: its loop. */
struct st_h2o_evloop_t *loop_h2o(struct loop *loop);

/**
 * Where libh2o's threads answer a look-up of a name (h2o_hostinfo_getaddr). Each look-up is
 * announced, and its end too: a loop with a look-up that was cancelled but still runs in its thread
 * is not freed by loop_destroy(), since that thread will write to it.
 */
struct st_h2o_multithread_receiver_t *loop_begin_lookup(struct loop *loop);
void loop_end_lookup(struct loop *loop);

#endif
