/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_wait.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/require.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdlib.h>

/* an error is logged at most once in this time */
#define LOG_AGAIN_MS 60000

/* most WAITs in flight */
#define UNDER_WAY_MAX 2

/* one WAIT and its waiters */
struct round {
    struct redis_call call;
    struct redis_wait *wait;
    struct list waiters;
};

static void tell(struct list *waiters, uint64_t replicas)
{
    struct list *link;

    while ((link = list_take_first(waiters)) != NULL) {
        struct redis_waiter *waiter = container_of(link, struct redis_waiter, link);

        waiter->on_waited(waiter, replicas);
    }
}

static void warn(struct redis_wait *wait, const char *error)
{
    uint64_t now_ms = loop_now_ms(wait->loop);

    if (wait->error_logged_at_ms == 0 || now_ms - wait->error_logged_at_ms >= LOG_AGAIN_MS) {
        wait->error_logged_at_ms = now_ms;
        log_warning("redis: WAIT: %s; visits are counted, and answered as not confirmed by "
                    "replicas",
                    error);
    }
}

/* whether a WAIT may be sent; while replicas hang, each WAIT in flight takes a full timeout */
static bool may_send(const struct redis_wait *wait)
{
    return wait->under_way < (wait->is_slow ? 1 : UNDER_WAY_MAX);
}

static void on_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct round *round = container_of(call, struct round, call);
    struct redis_wait *wait = round->wait;
    uint64_t replicas = 0;

    (void)reason;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        replicas = (uint64_t)reply->integer;
    } else if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        warn(wait, reply->str);
    }
    require(wait->under_way != 0);
    wait->under_way--;
    wait->is_slow = replicas < wait->replicas;
    tell(&round->waiters, replicas);
    free(round);
    if (!list_is_empty(&wait->waiting) && may_send(wait)) {
        loop_task_schedule(wait->loop, &wait->send);
    }
}

static int send_round(struct redis_wait *wait, struct round *round)
{
    if (wait->link == NULL) {
        return -ENOTCONN;
    }
    redis_command_begin(&wait->command, "WAIT");
    redis_command_add_u64(&wait->command, wait->replicas);
    redis_command_add_u64(&wait->command, wait->timeout_ms);
    return redis_link_send(wait->link, &round->call, &wait->command);
}

static void on_send(struct loop_task *task)
{
    struct redis_wait *wait = container_of(task, struct redis_wait, send);
    struct round *round;

    if (!list_is_empty(&wait->waiting) && may_send(wait)) {
        round = alloc_zero(1, sizeof(*round));
        round->call.on_reply = on_reply;
        round->wait = wait;
        list_init(&round->waiters);
        list_move_all(&round->waiters, &wait->waiting);
        if (send_round(wait, round) == 0) {
            wait->under_way++;
        } else {
            tell(&round->waiters, 0); /* the connection is lost, so no replica can confirm */
            free(round);
        }
    }
    if (wait->is_holding && wait->link != NULL) {
        redis_link_release(wait->link);
    }
    wait->is_holding = false;
}

void redis_wait_init(struct redis_wait *wait, struct loop *loop, uint64_t replicas,
                     uint64_t timeout_ms)
{
    *wait = (struct redis_wait){.loop = loop, .replicas = replicas, .timeout_ms = timeout_ms};
    list_init(&wait->waiting);
    loop_task_init(&wait->send, on_send);
}

void redis_wait_finish(struct redis_wait *wait)
{
    wait->link = NULL;
    tell(&wait->waiting, 0);
    loop_task_cancel(&wait->send);
    redis_command_finish(&wait->command);
}

void redis_wait_prepare(struct redis_wait *wait)
{
    require(wait->replicas != 0);
    if (!wait->is_holding && wait->link != NULL && may_send(wait)) {
        wait->is_holding = true;
        redis_link_hold(wait->link);
        loop_task_schedule(wait->loop, &wait->send);
    }
}

void redis_wait_join(struct redis_wait *wait, struct redis_waiter *waiter)
{
    require(wait->replicas != 0);
    list_append(&wait->waiting, &waiter->link);
    if (may_send(wait)) {
        loop_task_schedule(wait->loop, &wait->send);
    }
}
