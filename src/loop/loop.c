/* SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <h2o.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#define SIGNAL_MAX 64

/*
 * The number of input buffers of 8 KiB that libh2o keeps for later requests. Its default of 16
 * suits requests that are answered at once. Many of ours wait for the store at the same time.
 */
#define INPUT_BUFFERS_KEPT 256

/*
 * Enough threads, so that hanging look-ups do not delay the next one. A cancelled look-up runs
 * until the resolver's timeout (by default 20 s with two servers, resolv.conf(5)), and a new one
 * starts each second. libh2o starts a thread only if all others are busy.
 */
#define LOOKUP_THREADS 32

/* a turn that exceeds its sleep by this much contains a pause of the process */
#define PAUSE_MS 20

/* in a timer's lost_ms: pauses do not delay it */
#define NOT_PATIENT UINT64_MAX

/* results of libh2o's threads (getaddrinfo) arrive through `queue`, which wakes the loop */
struct loop {
    h2o_evloop_t *h2o;
    h2o_multithread_queue_t *queue;
    h2o_multithread_receiver_t resolver;
    unsigned lookups; /* that still run */
    bool stopping;
    bool turning; /* inside libh2o */
    uint64_t awake_until_us;

    uint64_t seen_at_ms; /* when the loop last noticed that it runs */
    uint64_t sleep_ms;   /* the longest sleep that was allowed since then */
    uint64_t lost_ms;    /* total time of pauses */
    uint64_t turns;
    uint64_t paused_turn; /* the last turn with a pause */

    /*
     * Timers and tasks run inside libh2o's turn, because it completes writes only there. `turn` is
     * linked to a timeout of zero if there is something to run.
     */
    h2o_timeout_t zero;
    h2o_timeout_entry_t turn;
    bool in_turn;
    struct list timers; /* sorted by at_ms */
    struct list tasks;

    h2o_socket_t *signals;
    sigset_t signal_set;
    struct {
        void (*on_signal)(void *data, int signal);
        void *data;
    } handlers[SIGNAL_MAX];
};

/* the data of a watched eventfd's socket */
struct eventfd_watch {
    void (*on_readable)(void *data);
    void *data;
};

/* Detects a pause: time beyond the allowed sleep. Called where the time is read anyway. */
static void note_running(struct loop *loop, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - loop->seen_at_ms;

    if (passed_ms >= loop->sleep_ms + PAUSE_MS && loop->paused_turn + 1 != loop->turns) {
        loop->lost_ms += passed_ms - loop->sleep_ms;
        loop->paused_turn = loop->turns;
    }
    loop->seen_at_ms = now_ms;
    loop->sleep_ms = 0;
}

static void insert_timer(struct loop *loop, struct loop_timer *timer)
{
    struct list *position = &loop->timers;

    while (position->prev != &loop->timers &&
           container_of(position->prev, struct loop_timer, link)->at_ms > timer->at_ms) {
        position = position->prev;
    }
    list_insert_before(position, &timer->link);
}

/* delays a due timer by the pauses since its start; false if it is still due */
static bool put_off(struct loop *loop, struct loop_timer *timer, uint64_t now_ms)
{
    if (timer->lost_ms == NOT_PATIENT) {
        return false;
    }
    timer->at_ms += loop->lost_ms - timer->lost_ms;
    timer->lost_ms = loop->lost_ms;
    if (timer->at_ms <= now_ms) {
        return false;
    }
    insert_timer(loop, timer);
    return true;
}

static bool has_work(const struct loop *loop, uint64_t now_ms)
{
    if (!list_is_empty(&loop->tasks)) {
        return true;
    }
    return !list_is_empty(&loop->timers) &&
           container_of(loop->timers.next, struct loop_timer, link)->at_ms <= now_ms;
}

/*
 * Links `turn` again for each turn. libh2o's timeouts use the wall clock, so a step of that clock
 * now delays at most one turn.
 */
static void link_turn(struct loop *loop)
{
    h2o_timeout_unlink(&loop->turn);
    h2o_timeout_link(loop->h2o, &loop->zero, &loop->turn);
}

static void run_timers(struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);

    note_running(loop, now_ms);
    while (!list_is_empty(&loop->timers)) {
        struct loop_timer *timer = container_of(loop->timers.next, struct loop_timer, link);

        if (timer->at_ms > now_ms) {
            return;
        }
        list_remove(&timer->link);
        if (!put_off(loop, timer, now_ms)) {
            timer->on_expire(timer);
        }
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

static void on_turn(h2o_timeout_entry_t *entry)
{
    struct loop *loop = container_of(entry, struct loop, turn);

    loop->in_turn = true;
    run_timers(loop);
    run_tasks(loop);
    loop->in_turn = false;
}

struct loop *loop_create(void)
{
    struct loop *loop = alloc_zero(1, sizeof(*loop));

    loop->h2o = h2o_evloop_create();
    h2o_socket_buffer_prototype.allocator.max = INPUT_BUFFERS_KEPT;
    loop->queue = h2o_multithread_create_queue(loop->h2o);
    h2o_multithread_register_receiver(loop->queue, &loop->resolver, h2o_hostinfo_getaddr_receiver);
    h2o_hostinfo_max_threads = LOOKUP_THREADS;
    h2o_timeout_init(loop->h2o, &loop->zero, 0);
    loop->turn.cb = on_turn;
    loop->seen_at_ms = loop_now_ms(loop);
    loop->turns = 2; /* so that the first turn may count as a pause */
    list_init(&loop->timers);
    list_init(&loop->tasks);
    sigemptyset(&loop->signal_set);
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->signals != NULL) {
        h2o_socket_close(loop->signals);
    }
    h2o_timeout_unlink(&loop->turn);
    h2o_timeout_dispose(loop->h2o, &loop->zero);
    if (loop->lookups != 0) {
        return; /* leak: the process ends, and a thread of libh2o may still write to the queue */
    }
    h2o_multithread_unregister_receiver(loop->queue, &loop->resolver);
    h2o_multithread_destroy_queue(loop->queue);
    /* libh2o frees closed sockets in one more turn */
    h2o_evloop_run(loop->h2o, 0);
    h2o_evloop_destroy(loop->h2o);
    free(loop->queue); /* libh2o does not free it */
    free(loop);
}

static bool stays_awake(struct loop *loop)
{
    if (loop->awake_until_us != 0 && clock_monotonic_us() >= loop->awake_until_us) {
        loop->awake_until_us = 0;
    }
    return loop->awake_until_us != 0;
}

/* how many ms the loop may sleep: until the next timer; 0 if there are tasks */
static int32_t sleep_ms(struct loop *loop, uint64_t now_ms)
{
    uint64_t at_ms;

    if (!list_is_empty(&loop->tasks) || stays_awake(loop)) {
        return 0;
    }
    if (list_is_empty(&loop->timers)) {
        return INT32_MAX;
    }
    at_ms = container_of(loop->timers.next, struct loop_timer, link)->at_ms;
    if (at_ms <= now_ms) {
        return 0;
    }
    return at_ms - now_ms > INT32_MAX ? INT32_MAX : (int32_t)(at_ms - now_ms);
}

/* returns for how many ms libh2o may wait for events */
static int32_t begin_turn(struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);

    note_running(loop, now_ms);
    loop->turns++;
    if (has_work(loop, now_ms)) {
        link_turn(loop);
    }
    loop->sleep_ms = (uint64_t)sleep_ms(loop, now_ms);
    return (int32_t)loop->sleep_ms;
}

void loop_run(struct loop *loop)
{
    loop->stopping = false;
    loop->seen_at_ms = loop_now_ms(loop);
    while (!loop->stopping) {
        int32_t max_wait_ms = begin_turn(loop);

        loop->turning = true;
        if (h2o_evloop_run(loop->h2o, max_wait_ms) != 0 && errno != EINTR) {
            abort(); /* epoll_wait has no other error for a valid descriptor */
        }
        loop->turning = false;
    }
}

bool loop_is_turning(const struct loop *loop)
{
    return loop->turning;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void loop_stay_awake(struct loop *loop, uint64_t for_us)
{
    if (for_us != 0) {
        loop->awake_until_us = clock_monotonic_us() + for_us;
    }
}

uint64_t loop_now_ms(const struct loop *loop)
{
    (void)loop;
    return clock_monotonic_ms();
}

uint64_t loop_lost_ms(const struct loop *loop)
{
    return loop->lost_ms;
}

uint64_t loop_patience_ms(struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);

    note_running(loop, now_ms);
    return now_ms - loop->lost_ms;
}

void loop_timer_init(struct loop_timer *timer, void (*on_expire)(struct loop_timer *timer))
{
    list_init(&timer->link);
    timer->at_ms = 0;
    timer->lost_ms = NOT_PATIENT;
    timer->on_expire = on_expire;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    uint64_t now_ms = loop_now_ms(loop);

    note_running(loop, now_ms);
    list_remove(&timer->link);
    /* at least 1 ms, or a timer that restarts itself would run for ever in one turn */
    timer->at_ms = now_ms + (delay_ms != 0 ? delay_ms : 1);
    timer->lost_ms = NOT_PATIENT;
    insert_timer(loop, timer);
}

void loop_timer_start_patience(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    loop_timer_start(loop, timer, delay_ms);
    timer->lost_ms = loop->lost_ms;
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
    if (!list_is_empty(&task->link)) {
        return;
    }
    list_append(&loop->tasks, &task->link);
    /* inside a turn, loop_run() links the next one: libh2o polls descriptors in between */
    if (!loop->in_turn && !h2o_timeout_is_linked(&loop->turn)) {
        link_turn(loop);
    }
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->link);
}

static void on_signals_readable(h2o_socket_t *socket, const char *error)
{
    struct loop *loop = socket->data;

    if (error != NULL) {
        return;
    }
    while (socket->input->size >= sizeof(struct signalfd_siginfo)) {
        struct signalfd_siginfo info;

        memcpy(&info, socket->input->bytes, sizeof(info));
        h2o_buffer_consume(&socket->input, sizeof(info));
        if (info.ssi_signo < SIGNAL_MAX && loop->handlers[info.ssi_signo].on_signal != NULL) {
            loop->handlers[info.ssi_signo].on_signal(loop->handlers[info.ssi_signo].data,
                                                     (int)info.ssi_signo);
        }
    }
}

void loop_watch_signal(struct loop *loop, int signal, void (*on_signal)(void *data, int signal),
                       void *data)
{
    int fd = loop->signals != NULL ? h2o_socket_get_fd(loop->signals) : -1;

    sigaddset(&loop->signal_set, signal);
    if (sigprocmask(SIG_BLOCK, &loop->signal_set, NULL) != 0) {
        abort();
    }
    fd = signalfd(fd, &loop->signal_set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    loop->handlers[signal].on_signal = on_signal;
    loop->handlers[signal].data = data;
    if (loop->signals == NULL) {
        loop->signals = h2o_evloop_socket_create(loop->h2o, fd, 0);
        loop->signals->data = loop;
        h2o_socket_read_start(loop->signals, on_signals_readable);
    }
}

static void on_eventfd_readable(h2o_socket_t *socket, const char *error)
{
    struct eventfd_watch *watch = socket->data;

    if (error == NULL) {
        h2o_buffer_consume(&socket->input, socket->input->size);
        watch->on_readable(watch->data);
    }
}

struct st_h2o_socket_t *loop_watch_eventfd(struct loop *loop, int fd,
                                           void (*on_readable)(void *data), void *data)
{
    struct eventfd_watch *watch = alloc_bytes(sizeof(*watch));
    h2o_socket_t *socket = h2o_evloop_socket_create(loop->h2o, fd, 0);

    watch->on_readable = on_readable;
    watch->data = data;
    socket->data = watch;
    socket->on_close.cb = free;
    socket->on_close.data = watch;
    h2o_socket_read_start(socket, on_eventfd_readable);
    return socket;
}

void loop_unwatch_eventfd(struct st_h2o_socket_t *watched)
{
    h2o_socket_close(watched);
}

struct st_h2o_evloop_t *loop_h2o(struct loop *loop)
{
    return loop->h2o;
}

struct st_h2o_multithread_receiver_t *loop_begin_lookup(struct loop *loop)
{
    loop->lookups++;
    return &loop->resolver;
}

void loop_end_lookup(struct loop *loop)
{
    loop->lookups--;
}
