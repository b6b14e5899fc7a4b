/* SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* longer than any step here takes: a wait of that length has failed */
#define PATIENCE_MS 60000

struct fixture {
    struct loop *loop;
    struct loop_timer patience;
    bool ran_out;
    char trace[64]; /* a letter for each event */
};

/* a timer or task that writes its letter and then calls a function of the test */
struct actor {
    struct fixture *fixture;
    struct loop_timer timer;
    struct loop_task task;
    char letter;
    void (*then)(struct actor *actor);
    struct actor *other;
    int count;
};

static void on_patience(struct loop_timer *timer)
{
    struct fixture *fixture = container_of(timer, struct fixture, patience);

    fixture->ran_out = true;
    loop_stop(fixture->loop);
}

static void run_loop(struct fixture *fixture)
{
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
    loop_timer_init(&fixture->patience, on_patience);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    loop_timer_stop(&fixture->patience);
    loop_destroy(fixture->loop);
    free(fixture);
    return 0;
}

static void act(struct actor *actor)
{
    char text[2] = {actor->letter, '\0'};

    strcat(actor->fixture->trace, text);
    actor->count++;
    if (actor->then != NULL) {
        actor->then(actor);
    }
}

static void on_timer(struct loop_timer *timer)
{
    act(container_of(timer, struct actor, timer));
}

static void on_task(struct loop_task *task)
{
    act(container_of(task, struct actor, task));
}

static void actor_init(struct actor *actor, struct fixture *fixture, char letter,
                       void (*then)(struct actor *actor))
{
    *actor = (struct actor){.fixture = fixture, .letter = letter, .then = then};
    loop_timer_init(&actor->timer, on_timer);
    loop_task_init(&actor->task, on_task);
}

static void then_stop(struct actor *actor)
{
    loop_stop(actor->fixture->loop);
}

/* ---- timers ---- */

static void test_timers_expire_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;
    struct actor b;
    struct actor c;
    struct actor d;
    uint64_t started_at_ms = clock_monotonic_ms();

    actor_init(&a, fixture, 'a', NULL);
    actor_init(&b, fixture, 'b', NULL);
    actor_init(&c, fixture, 'c', NULL);
    actor_init(&d, fixture, 'd', then_stop);
    loop_timer_start(fixture->loop, &d.timer, 40);
    loop_timer_start(fixture->loop, &b.timer, 10);
    loop_timer_start(fixture->loop, &c.timer, 30);
    loop_timer_start(fixture->loop, &a.timer, 0);
    assert_string_equal(fixture->trace, ""); /* never from inside the call */
    run_loop(fixture);
    assert_string_equal(fixture->trace, "abcd");
    assert_true(clock_monotonic_ms() - started_at_ms >= 40);
    assert_false(loop_timer_is_active(&a.timer));
}

static void test_timers_of_the_same_time_expire_in_the_order_of_starting(void **state)
{
    struct fixture *fixture = *state;
    struct actor actors[8];

    for (int i = 0; i < 8; i++) {
        actor_init(&actors[i], fixture, (char)('a' + i), i == 7 ? then_stop : NULL);
    }
    for (int i = 0; i < 8; i++) {
        loop_timer_start(fixture->loop, &actors[i].timer, 5);
    }
    run_loop(fixture);
    assert_string_equal(fixture->trace, "abcdefgh");
}

static void test_a_timer_that_is_started_again_expires_once(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;
    struct actor b;
    struct actor c;

    actor_init(&a, fixture, 'a', NULL);
    actor_init(&b, fixture, 'b', NULL);
    actor_init(&c, fixture, 'c', then_stop);
    loop_timer_start(fixture->loop, &a.timer, 1);
    loop_timer_start(fixture->loop, &b.timer, 60000);
    loop_timer_start(fixture->loop, &a.timer, 20); /* later */
    loop_timer_start(fixture->loop, &b.timer, 10); /* sooner */
    loop_timer_start(fixture->loop, &c.timer, 40);
    run_loop(fixture);
    assert_string_equal(fixture->trace, "bac");
}

static void then_stop_other(struct actor *actor)
{
    loop_timer_stop(&actor->other->timer);
}

static void test_a_timer_may_stop_another_that_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;
    struct actor b;
    struct actor c;

    actor_init(&a, fixture, 'a', then_stop_other);
    actor_init(&b, fixture, 'b', NULL);
    actor_init(&c, fixture, 'c', then_stop);
    a.other = &b;
    loop_timer_start(fixture->loop, &a.timer, 5);
    loop_timer_start(fixture->loop, &b.timer, 5);
    loop_timer_start(fixture->loop, &c.timer, 5);
    assert_true(loop_timer_is_active(&b.timer));
    run_loop(fixture);
    assert_string_equal(fixture->trace, "ac");
    assert_false(loop_timer_is_active(&b.timer));
    loop_timer_stop(&b.timer);
}

static void then_start_again(struct actor *actor)
{
    loop_timer_start(actor->fixture->loop, &actor->timer, 0);
    if (actor->count == 20) {
        loop_timer_stop(&actor->timer);
        loop_stop(actor->fixture->loop);
    }
}

static void test_a_timer_may_start_itself(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;

    actor_init(&a, fixture, 'a', then_start_again);
    loop_timer_start(fixture->loop, &a.timer, 0);
    run_loop(fixture);
    assert_int_equal(a.count, 20);
}

/* ---- tasks ---- */

static void then_schedule_other_twice(struct actor *actor)
{
    loop_task_schedule(actor->fixture->loop, &actor->other->task);
    loop_task_schedule(actor->fixture->loop, &actor->other->task);
}

static void test_a_task_runs_once_at_the_end_of_the_turn(void **state)
{
    struct fixture *fixture = *state;
    struct actor timer;
    struct actor later;
    struct actor task;

    actor_init(&task, fixture, 't', then_stop);
    actor_init(&timer, fixture, 'a', then_schedule_other_twice);
    actor_init(&later, fixture, 'b', NULL);
    timer.other = &task;
    loop_timer_start(fixture->loop, &timer.timer, 5);
    loop_timer_start(fixture->loop, &later.timer, 5);
    run_loop(fixture);
    assert_string_equal(fixture->trace, "abt");
}

static void test_tasks_run_in_the_order_of_scheduling(void **state)
{
    struct fixture *fixture = *state;
    struct actor actors[5];

    for (int i = 0; i < 5; i++) {
        actor_init(&actors[i], fixture, (char)('a' + i), i == 4 ? then_stop : NULL);
        loop_task_schedule(fixture->loop, &actors[i].task);
    }
    run_loop(fixture);
    assert_string_equal(fixture->trace, "abcde");
}

static void then_cancel_other(struct actor *actor)
{
    loop_task_cancel(&actor->other->task);
}

static void test_a_task_may_cancel_another(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;
    struct actor b;
    struct actor c;

    actor_init(&a, fixture, 'a', then_cancel_other);
    actor_init(&b, fixture, 'b', NULL);
    actor_init(&c, fixture, 'c', then_stop);
    a.other = &b;
    loop_task_schedule(fixture->loop, &a.task);
    loop_task_schedule(fixture->loop, &b.task);
    loop_task_schedule(fixture->loop, &c.task);
    run_loop(fixture);
    assert_string_equal(fixture->trace, "ac");
    loop_task_cancel(&b.task);
}

/* guards: a zero timeout of libh2o that starts itself again keeps the loop from turning */
static void then_schedule_again(struct actor *actor)
{
    actor->fixture->trace[0] = '\0';
    loop_task_schedule(actor->fixture->loop, &actor->task);
}

static void then_cancel_other_and_stop(struct actor *actor)
{
    loop_task_cancel(&actor->other->task);
    loop_stop(actor->fixture->loop);
}

static void test_a_task_that_schedules_itself_starves_no_timer(void **state)
{
    struct fixture *fixture = *state;
    struct actor task;
    struct actor timer;

    actor_init(&task, fixture, 't', then_schedule_again);
    actor_init(&timer, fixture, 'a', then_cancel_other_and_stop);
    timer.other = &task;
    loop_task_schedule(fixture->loop, &task.task);
    loop_timer_start(fixture->loop, &timer.timer, 20);
    run_loop(fixture);
    assert_true(task.count > 1);
    assert_int_equal(timer.count, 1);
}

/* the eventfd of the next tests, which the loop owns */
struct watch {
    struct fixture *fixture;
    struct st_h2o_socket_t *watched;
    struct actor *task;
    int fd;
    int count;
};

static void on_readable(void *data)
{
    struct watch *watch = data;

    watch->count++;
    loop_unwatch_eventfd(watch->watched);
    if (watch->task != NULL) {
        loop_task_cancel(&watch->task->task);
    }
    loop_stop(watch->fixture->loop);
}

static void watch_init(struct watch *watch, struct fixture *fixture)
{
    *watch = (struct watch){.fixture = fixture};
    watch->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(watch->fd >= 0);
    watch->watched = loop_watch_eventfd(fixture->loop, watch->fd, on_readable, watch);
}

static void test_an_eventfd_wakes_the_loop(void **state)
{
    struct fixture *fixture = *state;
    struct watch watch;

    watch_init(&watch, fixture);
    assert_int_equal(eventfd_write(watch.fd, 1), 0);
    assert_int_equal(watch.count, 0);
    run_loop(fixture);
    assert_int_equal(watch.count, 1);
}

static void test_a_task_that_schedules_itself_starves_no_descriptor(void **state)
{
    struct fixture *fixture = *state;
    struct actor task;
    struct watch watch;

    actor_init(&task, fixture, 't', then_schedule_again);
    watch_init(&watch, fixture);
    watch.task = &task;
    loop_task_schedule(fixture->loop, &task.task);
    assert_int_equal(eventfd_write(watch.fd, 1), 0);
    run_loop(fixture);
    assert_int_equal(watch.count, 1);
}

/* a task that was scheduled between two runs of the loop runs in the next one */
static void test_a_loop_can_run_again(void **state)
{
    struct fixture *fixture = *state;
    struct actor a;
    struct actor b;

    actor_init(&a, fixture, 'a', then_stop);
    actor_init(&b, fixture, 'b', then_stop);
    loop_timer_start(fixture->loop, &a.timer, 1);
    run_loop(fixture);
    loop_task_schedule(fixture->loop, &b.task);
    run_loop(fixture);
    assert_string_equal(fixture->trace, "ab");
}

/* ---- signals ---- */

struct caught {
    struct fixture *fixture;
    int signals[8];
    int count;
    int wanted;
};

static void on_signal(void *data, int signal)
{
    struct caught *caught = data;

    assert_in_range(caught->count, 0, 7);
    caught->signals[caught->count++] = signal;
    if (caught->count == caught->wanted) {
        loop_stop(caught->fixture->loop);
    }
}

static void test_signals_arrive_in_the_loop(void **state)
{
    struct fixture *fixture = *state;
    struct caught caught = {.fixture = fixture, .wanted = 2};

    loop_watch_signal(fixture->loop, SIGUSR1, on_signal, &caught);
    loop_watch_signal(fixture->loop, SIGUSR2, on_signal, &caught);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(caught.count, 0);
    run_loop(fixture);
    assert_int_equal(caught.signals[0] + caught.signals[1], SIGUSR1 + SIGUSR2);

    caught = (struct caught){.fixture = fixture, .wanted = 1};
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    run_loop(fixture);
    assert_int_equal(caught.signals[0], SIGUSR1);
}

/* --- busy polling --- */

static uint64_t processor_us(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

struct nap {
    struct fixture *fixture;
    struct loop_timer timer;
};

static void on_nap(struct loop_timer *timer)
{
    loop_stop(container_of(timer, struct nap, timer)->fixture->loop);
}

/* processor time of 60 ms without work */
static uint64_t nap_us(struct fixture *fixture, uint64_t awake_us)
{
    struct nap nap = {.fixture = fixture};
    uint64_t before_us = processor_us();

    loop_timer_init(&nap.timer, on_nap);
    loop_timer_start(fixture->loop, &nap.timer, 60);
    loop_stay_awake(fixture->loop, awake_us);
    run_loop(fixture);
    return processor_us() - before_us;
}

/* the loop stays awake for the given time only, and then sleeps again */
static void test_a_loop_may_stay_awake(void **state)
{
    struct fixture *fixture = *state;
    uint64_t asleep_us = nap_us(fixture, 0);

    assert_true(nap_us(fixture, 50000) > 5 * asleep_us);
    assert_true(nap_us(fixture, 50000) > 2 * nap_us(fixture, 5000));
    assert_true(nap_us(fixture, 50000) > 5 * nap_us(fixture, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        TEST(test_timers_expire_in_order),
        TEST(test_timers_of_the_same_time_expire_in_the_order_of_starting),
        TEST(test_a_timer_that_is_started_again_expires_once),
        TEST(test_a_timer_may_stop_another_that_is_due),
        TEST(test_a_timer_may_start_itself),
        TEST(test_a_task_runs_once_at_the_end_of_the_turn),
        TEST(test_tasks_run_in_the_order_of_scheduling),
        TEST(test_a_task_may_cancel_another),
        TEST(test_a_task_that_schedules_itself_starves_no_timer),
        TEST(test_a_task_that_schedules_itself_starves_no_descriptor),
        TEST(test_an_eventfd_wakes_the_loop),
        TEST(test_a_loop_can_run_again),
        TEST(test_signals_arrive_in_the_loop),
        TEST(test_a_loop_may_stay_awake),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
