/* SPDX-License-Identifier: MIT */
#include "count/dispatcher.h"

#include "base/require.h"

static struct dispatcher_lane *lane_in_queue(struct list *link)
{
    return container_of(link, struct dispatcher_lane, queue);
}

/* --- queues --- */

/* moves a lane to the ready ones from any queue */
static void enqueue(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    list_remove(&lane->queue);
    list_append(&dispatcher->ready, &lane->queue);
    loop_task_schedule(dispatcher->loop, &dispatcher->flush);
}

void dispatcher_make_ready(struct dispatcher_lane *lane)
{
    if (list_is_empty(&lane->queue)) {
        enqueue(lane);
    }
}

void dispatcher_wake(struct dispatcher_lane *lane)
{
    if (session_has_work(lane->session) && !session_is_busy(lane->session)) {
        dispatcher_make_ready(lane);
    }
}

void dispatcher_write_soon(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    if (list_is_empty(&lane->unwritten)) {
        list_append(&dispatcher->unwritten, &lane->unwritten);
    }
    loop_task_schedule(dispatcher->loop, &dispatcher->flush);
}

struct dispatcher_lane *dispatcher_pop_ready(struct dispatcher *dispatcher)
{
    struct list *link = list_pop_first(&dispatcher->ready);

    return link != NULL ? lane_in_queue(link) : NULL;
}

struct dispatcher_lane *dispatcher_pop_unwritten(struct dispatcher *dispatcher)
{
    struct list *link = list_pop_first(&dispatcher->unwritten);

    return link != NULL ? container_of(link, struct dispatcher_lane, unwritten) : NULL;
}

bool dispatcher_gathers(struct dispatcher *dispatcher, uint64_t waiting)
{
    dispatcher->has_gathered = !dispatcher->has_gathered && waiting > 1;
    if (dispatcher->has_gathered) {
        loop_task_schedule(dispatcher->loop, &dispatcher->flush);
    }
    return dispatcher->has_gathered;
}

void dispatcher_rest(struct dispatcher_lane *lane)
{
    require(lane->dispatcher->probe != lane);
    list_remove(&lane->queue);
    list_append(&lane->dispatcher->resting, &lane->queue);
}

static void wake_resting(struct dispatcher *dispatcher)
{
    while (!list_is_empty(&dispatcher->resting)) {
        enqueue(lane_in_queue(dispatcher->resting.next));
    }
}

/* caps the back-off, so that a visit that waits for max_wait_ms sees several attempts */
static uint64_t retry_delay_ms(const struct dispatcher *dispatcher, struct backoff *backoff)
{
    uint64_t delay_ms = backoff_next_ms(backoff);
    uint64_t limit_ms = dispatcher->options->max_wait_ms / 4;

    if (limit_ms < BACKOFF_FIRST_MS) {
        limit_ms = BACKOFF_FIRST_MS;
    }
    return delay_ms < limit_ms ? delay_ms : limit_ms;
}

/* --- a store that refuses all sites --- */

/*
 * Makes the lane that has rested longest the probe. Lanes without work leave the queue, because no
 * timer would wake them.
 */
static void choose_probe(struct dispatcher *dispatcher)
{
    struct list *link;

    while (dispatcher->probe == NULL && (link = list_pop_first(&dispatcher->resting)) != NULL) {
        struct dispatcher_lane *lane = lane_in_queue(link);

        if (session_has_work(lane->session) && !session_is_busy(lane->session)) {
            dispatcher->probe = lane;
            enqueue(lane);
        }
    }
}

static void on_retry(struct loop_timer *timer)
{
    struct dispatcher *dispatcher = container_of(timer, struct dispatcher, retry);

    require(dispatcher->probe == NULL);
    choose_probe(dispatcher);
}

/* ends the refusal of all sites: the store accepts batches again */
static void go_on(struct dispatcher *dispatcher)
{
    dispatcher->probe = NULL;
    backoff_reset(&dispatcher->backoff);
    loop_timer_stop(&dispatcher->retry);
    wake_resting(dispatcher); /* also those without work: no timer would wake them */
}

void dispatcher_release_probe(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    if (dispatcher->probe == lane) {
        dispatcher->probe = NULL;
        choose_probe(dispatcher);
    }
}

bool dispatcher_may_send(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    if (!breaker_is_refusing(dispatcher->breaker)) {
        return true;
    }
    if (dispatcher->probe == NULL && !loop_timer_is_active(&dispatcher->retry)) {
        dispatcher->probe = lane;
    }
    return dispatcher->probe == lane;
}

static void note_refused_by_server(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    if (dispatcher->probe == lane) {
        dispatcher->probe = NULL;
    }
    if (session_has_work(lane->session)) {
        dispatcher_rest(lane);
    }
    if (dispatcher->probe == NULL && !loop_timer_is_active(&dispatcher->retry)) {
        loop_timer_start(dispatcher->loop, &dispatcher->retry,
                         retry_delay_ms(dispatcher, &dispatcher->backoff));
    }
}

/* --- answers of the store --- */

static void on_lane_retry(struct loop_timer *timer)
{
    dispatcher_make_ready(container_of(timer, struct dispatcher_lane, retry));
}

void dispatcher_note_refusal(struct dispatcher_lane *lane, enum store_scope scope)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    if (!breaker_is_available(dispatcher->breaker)) {
        if (session_has_work(lane->session)) {
            dispatcher_rest(lane);
        }
        return;
    }
    if (scope == STORE_SCOPE_SERVER) {
        note_refused_by_server(lane);
        return;
    }
    if (session_has_work(lane->session)) {
        loop_timer_start(dispatcher->loop, &lane->retry,
                         retry_delay_ms(dispatcher, &lane->backoff));
    }
    dispatcher_release_probe(lane);
}

void dispatcher_note_success(struct dispatcher_lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    backoff_reset(&lane->backoff);
    if (!breaker_is_refusing(dispatcher->breaker) &&
        backoff_has_begun(&dispatcher->backoff)) { /* it refused all sites until now */
        go_on(dispatcher);
    }
    if (session_has_work(lane->session)) {
        dispatcher_make_ready(lane);
    } else {
        dispatcher_release_probe(lane);
    }
}

void dispatcher_note_store(struct dispatcher *dispatcher)
{
    dispatcher->probe = NULL;
    loop_timer_stop(&dispatcher->retry);
    if (breaker_is_available(dispatcher->breaker)) {
        go_on(dispatcher);
    }
}

void dispatcher_note_store_of(struct dispatcher_lane *lane)
{
    loop_timer_stop(&lane->retry);
    backoff_reset(&lane->backoff);
    dispatcher_wake(lane);
}

/* --- the engine and its lanes --- */

void dispatcher_init(struct dispatcher *dispatcher, struct loop *loop,
                     const struct engine_options *options, const struct breaker *breaker,
                     void (*flush)(struct loop_task *task))
{
    require(flush != NULL);
    *dispatcher = (struct dispatcher){.loop = loop, .options = options, .breaker = breaker};
    list_init(&dispatcher->ready);
    list_init(&dispatcher->resting);
    list_init(&dispatcher->unwritten);
    loop_task_init(&dispatcher->flush, flush);
    loop_timer_init(&dispatcher->retry, on_retry);
}

void dispatcher_init_lane(struct dispatcher_lane *lane, struct dispatcher *dispatcher,
                          const struct session *session)
{
    *lane = (struct dispatcher_lane){.dispatcher = dispatcher, .session = session};
    list_init(&lane->queue);
    list_init(&lane->unwritten);
    loop_timer_init(&lane->retry, on_lane_retry);
}

void dispatcher_finish(struct dispatcher *dispatcher)
{
    require(list_is_empty(&dispatcher->ready));
    require(list_is_empty(&dispatcher->resting));
    require(list_is_empty(&dispatcher->unwritten));
    require(dispatcher->probe == NULL);
    loop_task_cancel(&dispatcher->flush);
    loop_timer_stop(&dispatcher->retry);
}

void dispatcher_finish_lane(struct dispatcher_lane *lane)
{
    list_remove(&lane->queue);
    list_remove(&lane->unwritten);
    loop_timer_stop(&lane->retry);
    if (lane->dispatcher->probe == lane) {
        lane->dispatcher->probe = NULL;
    }
}
