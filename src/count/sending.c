/* SPDX-License-Identifier: MIT */
#include "count/sending.h"

#include "base/clock.h"
#include "count/outage.h"

static struct leg *leg_in_queue(struct list *link)
{
    return container_of(link, struct leg, queue);
}

void sending_make_ready(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    list_append(&engine->ready, &leg->queue);
    loop_task_schedule(engine->loop, &engine->flush);
}

void sending_wake(struct leg *leg)
{
    if (flow_has_work(&leg->flow) && !flow_is_busy(&leg->flow)) {
        sending_make_ready(leg);
    }
}

static void wake_resting(struct engine *engine)
{
    while (!list_is_empty(&engine->resting)) {
        sending_make_ready(leg_in_queue(engine->resting.next));
    }
}

static void on_retry(struct loop_timer *timer)
{
    wake_resting(container_of(timer, struct engine, retry));
}

/* backoff, but so that whoever waits as long as a visit does sees some more attempts */
static uint64_t retry_delay_ms(struct engine *engine)
{
    uint64_t delay_ms = backoff_next_ms(&engine->backoff);
    uint64_t limit_ms = engine->options.max_wait_ms / 4;

    if (limit_ms < BACKOFF_FIRST_MS) {
        limit_ms = BACKOFF_FIRST_MS;
    }
    return delay_ms < limit_ms ? delay_ms : limit_ms;
}

/* while the store is away its return ends the rest; otherwise the timer does */
void sending_let_rest(struct leg *leg)
{
    struct engine *engine = leg->site->engine;

    list_remove(&leg->queue);
    list_append(&engine->resting, &leg->queue);
    if (engine->is_available && !loop_timer_is_active(&engine->retry)) {
        loop_timer_start(engine->loop, &engine->retry, retry_delay_ms(engine));
    }
}

void sending_note_store(struct engine *engine)
{
    if (engine->is_available) {
        backoff_reset(&engine->backoff);
        wake_resting(engine); /* also what has no work any more: no timer would wake it later */
    }
    map_for_each(node, &engine->sites) {
        list_for_each(link, &site_of(node)->legs) {
            sending_wake(leg_in_site(link));
        }
    }
}

/*
 * Sends what is ready. Where more than one visit waits, connections are polled once more before:
 * what they have ready by then joins, and fewer, larger batches cost everybody less than the turn
 * does.
 */
static void on_flush(struct loop_task *task)
{
    struct engine *engine = container_of(task, struct engine, flush);
    struct list *link;

    engine->has_gathered = !engine->has_gathered && engine->stats.waiting > 1;
    if (engine->has_gathered) {
        loop_task_schedule(engine->loop, task);
        return;
    }
    while ((link = list_take_first(&engine->ready)) != NULL) {
        struct leg *leg = leg_in_queue(link);

        if (!engine->is_available) {
            if (outage_has_begun(engine, clock_monotonic_ms())) {
                outage_shelter(leg->site);
            }
            sending_let_rest(leg);
            continue;
        }
        if (outage_may_send(leg)) {
            flow_send(&leg->flow);
        }
        if (leg == leg->site->backlog) { /* visits may have joined behind what is sent */
            outage_write(leg->site);
        }
    }
}

void sending_init(struct engine *engine)
{
    list_init(&engine->ready);
    list_init(&engine->resting);
    loop_task_init(&engine->flush, on_flush);
    loop_timer_init(&engine->retry, on_retry);
}

void sending_finish(struct engine *engine)
{
    loop_task_cancel(&engine->flush);
    loop_timer_stop(&engine->retry);
}
