/* SPDX-License-Identifier: MIT */
#include "count/dispatcher.h"

#include "base/clock.h"

static struct lane *lane_in_queue(struct list *link)
{
    return container_of(link, struct lane, queue);
}

/* --- queues --- */

/* moves a lane to the ready ones from any queue */
static void take_up(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    list_remove(&lane->queue);
    list_append(&engine->ready, &lane->queue);
    loop_task_schedule(engine->loop, &engine->flush);
}

void dispatcher_make_ready(struct lane *lane)
{
    if (list_is_empty(&lane->queue)) {
        take_up(lane);
    }
}

void dispatcher_wake(struct lane *lane)
{
    if (session_has_work(&lane->session) && !session_is_busy(&lane->session)) {
        dispatcher_make_ready(lane);
    }
}

void dispatcher_write_soon(struct site *site)
{
    if (list_is_empty(&site->unwritten)) {
        list_append(&site->engine->unwritten, &site->unwritten);
    }
    loop_task_schedule(site->engine->loop, &site->engine->flush);
}

struct lane *dispatcher_take_ready(struct engine *engine)
{
    struct list *link = list_pop_first(&engine->ready);

    return link != NULL ? lane_in_queue(link) : NULL;
}

void dispatcher_rest(struct lane *lane)
{
    list_remove(&lane->queue);
    list_append(&lane->site->engine->resting, &lane->queue);
}

static void wake_resting(struct engine *engine)
{
    while (!list_is_empty(&engine->resting)) {
        take_up(lane_in_queue(engine->resting.next));
    }
}

/* caps the back-off, so that a visit that waits for max_wait_ms sees several attempts */
static uint64_t retry_delay_ms(const struct engine *engine, struct backoff *backoff)
{
    uint64_t delay_ms = backoff_next_ms(backoff);
    uint64_t limit_ms = engine->options.max_wait_ms / 4;

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
static void choose_probe(struct engine *engine)
{
    struct list *link;

    while (engine->probe == NULL && (link = list_pop_first(&engine->resting)) != NULL) {
        struct lane *lane = lane_in_queue(link);

        if (session_has_work(&lane->session) && !session_is_busy(&lane->session)) {
            engine->probe = lane;
            take_up(lane);
        }
    }
}

static void on_retry(struct loop_timer *timer)
{
    choose_probe(container_of(timer, struct engine, retry));
}

/* ends the refusal of all sites: the store accepts batches again */
static void go_on(struct engine *engine)
{
    engine->probe = NULL;
    backoff_reset(&engine->backoff);
    loop_timer_stop(&engine->retry);
    wake_resting(engine); /* also those without work: no timer would wake them */
}

/* a probe that did not send passes its turn to the next lane */
void dispatcher_release_probe(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    if (engine->probe == lane) {
        engine->probe = NULL;
        choose_probe(engine);
    }
}

/* while all sites are refused, only the probe may send; the first lane that asks becomes it */
bool dispatcher_may_send(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    if (!breaker_is_refusing(&engine->breaker)) {
        return true;
    }
    if (engine->probe == NULL && !loop_timer_is_active(&engine->retry)) {
        engine->probe = lane;
    }
    return engine->probe == lane;
}

static void note_refused_by_server(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    if (engine->probe == lane) {
        engine->probe = NULL;
    }
    if (session_has_work(&lane->session)) {
        dispatcher_rest(lane);
    }
    if (engine->probe == NULL && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, retry_delay_ms(engine, &engine->backoff));
    }
}

/* --- answers of the store --- */

static void on_lane_retry(struct loop_timer *timer)
{
    dispatcher_make_ready(container_of(timer, struct lane, retry));
}

void dispatcher_note_refusal(struct lane *lane, enum store_scope scope)
{
    struct engine *engine = lane->site->engine;

    if (!breaker_is_available(&engine->breaker)) {
        if (session_has_work(&lane->session)) {
            dispatcher_rest(lane);
        }
        return;
    }
    if (scope == STORE_SCOPE_SERVER) {
        note_refused_by_server(lane);
        return;
    }
    if (session_has_work(&lane->session)) {
        loop_timer_start(engine->loop, &lane->retry, retry_delay_ms(engine, &lane->backoff));
    }
    dispatcher_release_probe(lane);
}

void dispatcher_note_success(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    backoff_reset(&lane->backoff);
    if (!breaker_is_refusing(&engine->breaker) &&
        backoff_has_begun(&engine->backoff)) { /* it refused all sites until now */
        go_on(engine);
    }
    if (session_has_work(&lane->session)) {
        dispatcher_make_ready(lane);
    } else {
        dispatcher_release_probe(lane);
    }
}

void dispatcher_note_store(struct engine *engine)
{
    engine->probe = NULL;
    loop_timer_stop(&engine->retry);
    if (breaker_is_available(&engine->breaker)) {
        go_on(engine);
    }
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->lanes) {
            struct lane *lane = lane_in_site(link);

            loop_timer_stop(&lane->retry);
            backoff_reset(&lane->backoff);
            dispatcher_wake(lane);
        }
    }
}

/* --- the engine and its lanes --- */

void dispatcher_init(struct engine *engine)
{
    list_init(&engine->unwritten);
    list_init(&engine->ready);
    list_init(&engine->resting);
    loop_timer_init(&engine->retry, on_retry);
}

void dispatcher_init_lane(struct lane *lane)
{
    list_init(&lane->queue);
    loop_timer_init(&lane->retry, on_lane_retry);
}

void dispatcher_finish(struct engine *engine)
{
    loop_timer_stop(&engine->retry);
}

void dispatcher_finish_lane(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    list_remove(&lane->queue);
    loop_timer_stop(&lane->retry);
    if (engine->probe == lane) {
        engine->probe = NULL;
    }
}
