/* SPDX-License-Identifier: MIT */
#include "count/sending.h"

#include "base/clock.h"

static struct leg *leg_in_queue(struct list *link)
{
    return container_of(link, struct leg, queue);
}

/* --- queues --- */

/* moves a lane to the ready ones from any queue */
static void take_up(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    list_append(&engine->ready, &leg->queue);
    loop_task_schedule(engine->loop, &engine->flush);
}

void sending_make_ready(struct leg *leg)
{
    if (list_is_empty(&leg->queue)) {
        take_up(leg);
    }
}

void sending_wake(struct leg *leg)
{
    if (flow_has_work(&leg->flow) && !flow_is_busy(&leg->flow)) {
        sending_make_ready(leg);
    }
}

void sending_write_soon(struct site *site)
{
    if (list_is_empty(&site->unwritten)) {
        list_append(&site->engine->unwritten, &site->unwritten);
    }
    loop_task_schedule(site->engine->loop, &site->engine->flush);
}

void sending_rest(struct leg *leg)
{
    list_remove(&leg->queue);
    list_append(&leg->site->engine->resting, &leg->queue);
}

static void wake_resting(struct engine *engine)
{
    while (!list_is_empty(&engine->resting)) {
        take_up(leg_in_queue(engine->resting.next));
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

    while (engine->probe == NULL && (link = list_take_first(&engine->resting)) != NULL) {
        struct leg *leg = leg_in_queue(link);

        if (flow_has_work(&leg->flow) && !flow_is_busy(&leg->flow)) {
            engine->probe = leg;
            take_up(leg);
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
void sending_release_probe(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    if (engine->probe == leg) {
        engine->probe = NULL;
        choose_probe(engine);
    }
}

/* while all sites are refused, only the probe may send; the first lane that asks becomes it */
bool sending_may_send(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    if (!engine->is_refusing) {
        return true;
    }
    if (engine->probe == NULL && !loop_timer_is_active(&engine->retry)) {
        engine->probe = leg;
    }
    return engine->probe == leg;
}

static void note_refused_by_server(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    if (engine->probe == leg) {
        engine->probe = NULL;
    }
    if (flow_has_work(&leg->flow)) {
        sending_rest(leg);
    }
    if (engine->probe == NULL && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, retry_delay_ms(engine, &engine->backoff));
    }
}

/* --- answers of the store --- */

static void on_leg_retry(struct loop_timer *timer)
{
    sending_make_ready(container_of(timer, struct leg, retry));
}

void sending_note_refusal(struct leg *leg, enum store_scope scope)
{
    struct engine *engine = leg->site->engine;

    if (!engine->is_available) {
        if (flow_has_work(&leg->flow)) {
            sending_rest(leg);
        }
        return;
    }
    if (scope == STORE_SCOPE_SERVER) {
        note_refused_by_server(leg);
        return;
    }
    if (flow_has_work(&leg->flow)) {
        loop_timer_start(engine->loop, &leg->retry, retry_delay_ms(engine, &leg->backoff));
    }
    sending_release_probe(leg);
}

void sending_note_success(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    backoff_reset(&leg->backoff);
    if (!engine->is_refusing &&
        backoff_has_begun(&engine->backoff)) { /* it refused all sites until now */
        go_on(engine);
    }
    if (flow_has_work(&leg->flow)) {
        sending_make_ready(leg);
    } else {
        sending_release_probe(leg);
    }
}

void sending_note_store(struct engine *engine)
{
    engine->probe = NULL;
    loop_timer_stop(&engine->retry);
    if (engine->is_available) {
        go_on(engine);
    }
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            struct leg *leg = leg_in_site(link);

            loop_timer_stop(&leg->retry);
            backoff_reset(&leg->backoff);
            sending_wake(leg);
        }
    }
}

/* --- the engine and its legs --- */

void sending_init(struct engine *engine)
{
    list_init(&engine->unwritten);
    list_init(&engine->ready);
    list_init(&engine->resting);
    loop_timer_init(&engine->retry, on_retry);
}

void sending_init_leg(struct leg *leg)
{
    list_init(&leg->queue);
    loop_timer_init(&leg->retry, on_leg_retry);
}

void sending_finish(struct engine *engine)
{
    loop_timer_stop(&engine->retry);
}

void sending_finish_leg(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    loop_timer_stop(&leg->retry);
    if (engine->probe == leg) {
        engine->probe = NULL;
    }
}
