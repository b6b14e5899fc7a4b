/* SPDX-License-Identifier: MIT */
/**
 * loop: the event loop of the process. It wraps libh2o's loop, and adds timers on the monotonic
 * clock, tasks for the end of a turn, and signals.
 *
 * Call all functions on the loop's thread. Owners embed timers and tasks, and stop them before they
 * free them.
 */
#ifndef VISITCOUNTD_LOOP_LOOP_H
#define VISITCOUNTD_LOOP_LOOP_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

/** Calls `on_expire` once, when the delay of loop_timer_start() is over. */
struct loop_timer {
    struct list link;
    uint64_t at_ms;
    uint64_t lost_ms; /* loop_lost_ms() included in `at_ms`; UINT64_MAX: pauses do not matter */
    void (*on_expire)(struct loop_timer *timer);
};

/** Calls `run` once, at the end of the turn in which it was scheduled. */
struct loop_task {
    struct list link;
    void (*run)(struct loop_task *task);
};

/** Creates a loop. Aborts if the kernel has no descriptors left. */
struct loop *loop_create(void);

/**
 * Frees the loop. The owners have stopped all timers, and all tasks have run or were cancelled.
 * NULL is allowed.
 */
void loop_destroy(struct loop *loop);

/** Runs turns until loop_stop() is called. */
void loop_run(struct loop *loop);

/**
 * Whether a turn is running. libh2o completes writes to its sockets only within a turn. Outside of
 * a turn, schedule a task that writes.
 */
bool loop_is_turning(const struct loop *loop);

/** Makes loop_run() return after this turn. */
void loop_stop(struct loop *loop);

/**
 * Makes the loop poll for events without sleeping for the next `for_us` microseconds. An event then
 * costs no wake-up, but polling takes processor time. 0 changes nothing.
 */
void loop_stay_awake(struct loop *loop, uint64_t for_us);

/** Returns CLOCK_MONOTONIC in ms. */
uint64_t loop_now_ms(const struct loop *loop);

/**
 * Returns how many milliseconds the loop has lost in pauses since its start. In a pause the process
 * was stopped, the machine was paused, or a turn took far too long. A timeout for an answer must
 * not count this time: the answer may wait in a socket, or the request may not have been sent yet.
 *
 * At most every second turn counts as a pause. A loop that is always late therefore at most doubles
 * a timeout.
 */
uint64_t loop_lost_ms(const struct loop *loop);

/**
 * Returns the clock for timeouts of answers: loop_now_ms() minus loop_lost_ms(). Compare it only
 * with deadlines on the same clock.
 */
uint64_t loop_patience_ms(struct loop *loop);

/** Initialises an idle timer. */
void loop_timer_init(struct loop_timer *timer, void (*on_expire)(struct loop_timer *timer));

/** Starts or restarts the timer. It expires after `delay_ms`, never inside this call. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);

/**
 * Starts the timer on the clock of loop_patience_ms(), for the timeout of an answer. A pause of the
 * process delays it by the length of the pause.
 */
void loop_timer_start_patience(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms);

/** Stops the timer. Does nothing if it is idle. */
void loop_timer_stop(struct loop_timer *timer);

/** Whether the timer was started and has not expired. */
bool loop_timer_is_active(const struct loop_timer *timer);

/** Initialises an idle task. */
void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));

/**
 * Schedules the task for the end of this turn, or of the next one if the caller is a task. Does
 * nothing if the task is scheduled already.
 */
void loop_task_schedule(struct loop *loop, struct loop_task *task);

/** Cancels a scheduled task. Does nothing if it is idle. */
void loop_task_cancel(struct loop_task *task);

/**
 * Blocks `signal` for the process, and calls `on_signal` in the loop each time it arrives. Call
 * this before any thread starts, and at most once per signal.
 */
void loop_watch_signal(struct loop *loop, int signal, void (*on_signal)(void *data, int signal),
                       void *data);

struct st_h2o_evloop_t;
struct st_h2o_multithread_receiver_t;
struct st_h2o_socket_t;

/**
 * Calls `on_readable` in the loop after any thread has written the eventfd(2) `fd`. The loop now
 * owns `fd`; loop_unwatch_eventfd() closes it.
 */
struct st_h2o_socket_t *loop_watch_eventfd(struct loop *loop, int fd,
                                           void (*on_readable)(void *data), void *data);
void loop_unwatch_eventfd(struct st_h2o_socket_t *watched);

/** Returns libh2o's loop, for the few files that call libh2o. */
struct st_h2o_evloop_t *loop_h2o(struct loop *loop);

/**
 * Returns the receiver to which libh2o's threads send the result of a name look-up
 * (h2o_hostinfo_getaddr). Call loop_begin_lookup() before each look-up, and loop_end_lookup() after
 * its result. A cancelled look-up may still run in its thread and write to the loop. Until it ends,
 * loop_destroy() does not free the loop.
 */
struct st_h2o_multithread_receiver_t *loop_begin_lookup(struct loop *loop);
void loop_end_lookup(struct loop *loop);

#endif
