/* SPDX-License-Identifier: MIT */
#include "count/dispatcher.h"

#include "base/clock.h"
#include "count/spill.h"
#include "count/sending.h"

static struct lane *lane_in_queue(struct list *link)
{
    return container_of(link, struct lane, queue);
}

/* sends a ready lane, or lets it rest if it cannot send now */
static void send_lane(struct lane *lane)
{
    struct engine *engine = lane->site->engine;

    if (!engine->is_available) {
        if (spill_has_begun(engine, clock_monotonic_ms())) {
            spill_waiting_visits(lane->site);
        }
        sending_rest(lane);
        return;
    }
    if (loop_timer_is_active(&lane->retry)) {
        sending_release_probe(lane);
        return; /* the timer makes it ready again */
    }
    if (!sending_may_send(lane)) {
        sending_rest(lane);
        return;
    }
    if (spill_may_send(lane)) {
        session_send(&lane->session);
    }
    if (!session_is_busy(&lane->session)) {
        sending_release_probe(lane);
    }
}

/*
 * Sends the ready lanes. If more than one visit waits, connections are polled once more first.
 * Their visits join, and fewer, larger batches save more than the extra turn costs.
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
    while ((link = list_pop_first(&engine->unwritten)) != NULL) {
        spill_write_next(container_of(link, struct site, unwritten));
    }
    while ((link = list_pop_first(&engine->ready)) != NULL) {
        send_lane(lane_in_queue(link));
    }
}

void dispatcher_init(struct engine *engine)
{
    sending_init(engine);
    loop_task_init(&engine->flush, on_flush);
}

void dispatcher_finish(struct engine *engine)
{
    loop_task_cancel(&engine->flush);
    sending_finish(engine);
}
