/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_link.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "store/redis/redis_link_inside.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* most commands in flight; more than the sites that one turn can flush */
#define CALLS_MAX 16384

static const char *const state_names[] = {"down", "resolving", "connecting", "handshake", "ready"};

static const struct stream_callbacks stream_callbacks;

/* --- states --- */

/* the duration of the timer in each state */
static uint64_t timer_ms(struct redis_link *link)
{
    switch (link->state) {
    case LINK_DOWN:
        return backoff_next_ms(&link->backoff);
    default:
        return link->options.connect_timeout_ms;
    }
}

static bool is_edge(enum link_state from, enum link_state to)
{
    return to == LINK_DOWN || to == from + 1 || (from == LINK_DOWN && to == LINK_CONNECTING);
}

static void set_state(struct redis_link *link, enum link_state state)
{
    bool was_ready = link->state == LINK_READY;
    bool is_ready = state == LINK_READY;

    if (!is_edge(link->state, state)) {
        abort();
    }
    link->state = state;
    loop_timer_stop(&link->heartbeat);
    if (is_ready) {
        loop_timer_stop(&link->timer);
        loop_timer_start(link->loop, &link->heartbeat, link->heartbeat_ms);
    } else {
        loop_timer_start_patience(link->loop, &link->timer, timer_ms(link));
    }
    if (was_ready == is_ready) {
        return;
    }
    link->health.changed_at_ms = loop_now_ms(link->loop);
    if (!is_ready) {
        link->down_since_ms = link->health.changed_at_ms;
    }
    if (!link->is_closing) {
        link->options.on_change(link->options.data, is_ready);
    }
}

static void end_calls(struct redis_link *link, const char *reason)
{
    struct list calls;
    struct list *first;

    list_init(&calls);
    list_move_all(&calls, &link->calls);
    link->call_count = 0;
    while ((first = list_pop_first(&calls)) != NULL) {
        struct redis_call *call = container_of(first, struct redis_call, link);

        call->on_reply(call, NULL, reason);
    }
}

/* the only transition to DOWN, from any state */
void redis_link_go_down(struct redis_link *link, const char *reason)
{
    char kept[sizeof(link->health.last_error)];

    if (link->state == LINK_DOWN) {
        return;
    }
    link->is_changing_credentials = false;
    snprintf(kept, sizeof(kept), "%s",
             reason); /* `reason` may point into memory that is freed below */
    stream_close(link->stream);
    link->stream = NULL;
    buf_clear(&link->held);
    link->is_holding = false;
    set_state(link, LINK_DOWN);
    redis_link_log_failure(link, kept);
    end_calls(link, kept);
    if (!link->is_reading) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }
    if (redis_handshake_is_denied(kept) && link->options.on_denied != NULL) {
        link->options.on_denied(link->options.data);
    }
}

static void connect_now(struct redis_link *link)
{
    link->reader = redisReaderCreate();
    if (link->reader == NULL) {
        abort();
    }
    link->was_answered = false;
    link->stream = stream_open(link->loop, &link->target, &stream_callbacks, link);
    set_state(link, stream_is_resolving(link->stream) ? LINK_RESOLVING : LINK_CONNECTING);
}

void redis_link_become_ready(struct redis_link *link)
{
    require(link->state != LINK_READY);
    backoff_reset(&link->backoff);
    stream_target_settle(&link->target);
    link->health.connects++;
    link->was_ready = true;
    redis_link_log_ready(link);
    set_state(link, LINK_READY);
}

/* --- commands --- */

static void write_command(struct redis_link *link, struct redis_command *command)
{
    size_t length;
    const char *bytes = redis_command_bytes(command, &length);

    link->health.commands++;
    if (link->is_holding) {
        buf_append(&link->held, bytes, length);
    } else {
        stream_write(link->stream, bytes, length);
    }
}

/* subtracts pauses of this process: during these a command did not wait for the server */
static uint64_t without_pauses_us(const struct redis_link *link, uint64_t now_us)
{
    return now_us - loop_lost_ms(link->loop) * 1000;
}

void redis_link_submit(struct redis_link *link, struct redis_call *call,
                       struct redis_command *command)
{
    uint64_t now_us = clock_monotonic_us();

    require(call->on_reply != NULL);
    call->sent_at_us = without_pauses_us(link, now_us);
    link->sent_at_us = now_us;
    list_append(&link->calls, &call->link);
    link->call_count++;
    write_command(link, command);
}

void redis_link_post(struct redis_link *link, struct redis_command *command)
{
    require(link->options.on_message != NULL);
    if (link->state == LINK_READY) {
        write_command(link, command);
    }
}

void redis_link_hold(struct redis_link *link)
{
    link->is_holding = link->state == LINK_READY;
}

void redis_link_release(struct redis_link *link)
{
    if (link->is_holding && link->held.length != 0) {
        stream_write(link->stream, link->held.bytes, link->held.length);
    }
    buf_clear(&link->held);
    link->is_holding = false;
}

int redis_link_send(struct redis_link *link, struct redis_call *call, struct redis_command *command)
{
    if (link->state != LINK_READY) {
        return -ENOTCONN;
    }
    if (link->call_count >= CALLS_MAX) {
        return -ENOBUFS;
    }
    if (list_is_empty(&link->calls)) {
        loop_timer_start_patience(link->loop, &link->timer, link->options.command_timeout_ms);
    }
    redis_link_submit(link, call, command);
    return 0;
}

/* starts the timeout of the oldest command, if there is one */
static void restart_ready_timer(struct redis_link *link)
{
    uint64_t now_ms;
    uint64_t end_ms;

    if (list_is_empty(&link->calls)) {
        loop_timer_stop(&link->timer);
        return;
    }
    now_ms = loop_patience_ms(link->loop);
    end_ms = container_of(link->calls.next, struct redis_call, link)->sent_at_us / 1000 +
             link->options.command_timeout_ms;
    loop_timer_start_patience(link->loop, &link->timer, end_ms > now_ms ? end_ms - now_ms : 1);
}

static void note_round_trip(struct redis_link *link, const struct redis_call *call)
{
    link->health.round_trip_us = without_pauses_us(link, clock_monotonic_us()) - call->sent_at_us;
}

/* whether a reply is for the subscriber's owner; the heartbeat's reply, ["pong", ""], is not */
static bool is_message(const struct redis_link *link, const redisReply *reply)
{
    return link->options.on_message != NULL && link->state == LINK_READY &&
           reply->type == REDIS_REPLY_ARRAY && reply->elements != 0 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "pong") != 0;
}

static void on_reply(struct redis_link *link, const redisReply *reply)
{
    struct list *first = list_pop_first(&link->calls);
    struct redis_call *call;

    if (first == NULL) {
        redis_link_go_down(link, "protocol: a reply that nothing asked for");
        return;
    }
    call = container_of(first, struct redis_call, link);
    link->call_count--;
    note_round_trip(link, call);
    call->on_reply(call, reply, NULL);
}

/* whether the bytes are a TLS alert (RFC 8446, section 5.1) in reply to a command */
static bool is_tls_alert(const struct redis_link *link, const char *bytes, size_t length)
{
    return !link->was_answered && length >= 2 && bytes[0] == 0x15 && bytes[1] == 0x03;
}

static void on_bytes(void *data, const char *bytes, size_t length)
{
    struct redis_link *link = data;
    redisReader *reader = link->reader;
    void *reply = NULL;

    if (is_tls_alert(link, bytes, length)) {
        redis_link_go_down(link,
                           "the server speaks TLS on this port: see redis.tls and redis.port");
        return;
    }
    link->was_answered = true;
    link->is_reading = true;
    redisReaderFeed(reader, bytes, length);
    while (link->stream != NULL) {
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            redis_link_go_down(link, reader->errstr);
        }
        if (reply == NULL) {
            break;
        }
        if (is_message(link, reply)) {
            link->options.on_message(link->options.data, reply);
        } else {
            on_reply(link, reply);
        }
        freeReplyObject(reply);
        reply = NULL;
    }
    link->is_reading = false;
    if (link->stream == NULL) {
        redisReaderFree(reader);
        link->reader = NULL;
    } else if (link->state == LINK_READY) {
        restart_ready_timer(link);
    }
}

/* --- events --- */

static void on_resolved(void *data)
{
    set_state(data, LINK_CONNECTING);
}

static void on_open(void *data)
{
    struct redis_link *link = data;

    set_state(link, LINK_HANDSHAKE);
    redis_link_begin_handshake(link);
}

static void on_failed(void *data, const char *reason)
{
    struct redis_link *link = data;
    bool is_told = strncmp(reason, "TLS", 3) == 0; /* a TLS failure is not the command's fault */

    if (link->state == LINK_HANDSHAKE && !list_is_empty(&link->calls) && !is_told) {
        redis_link_fail_handshake(link, reason);
        return;
    }
    if (link->state == LINK_READY && list_is_empty(&link->calls) &&
        strcmp(reason, STREAM_CLOSED) == 0) {
        redis_link_note_idle_close(link);
    }
    redis_link_go_down(link, reason);
}

static const struct stream_callbacks stream_callbacks = {on_resolved, on_open, on_bytes, on_failed};

static void on_timeout(struct redis_link *link)
{
    bool is_ready = link->state == LINK_READY;
    bool is_handshaking = link->state == LINK_CONNECTING && stream_is_handshaking(link->stream);
    const char *what = is_handshaking ? "TLS" : state_names[link->state];
    char limit[UNITS_TEXT_MAX];
    char reason[128];

    units_format_duration(
        is_ready ? link->options.command_timeout_ms : link->options.connect_timeout_ms, limit);
    snprintf(reason, sizeof(reason), "%s: no answer within %s%s", is_ready ? "command" : what,
             limit, is_handshaking ? ", as of a port without TLS: see redis.tls" : "");
    redis_link_go_down(link, reason);
}

static void on_timer(struct loop_timer *timer)
{
    struct redis_link *link = container_of(timer, struct redis_link, timer);

    if (link->state == LINK_DOWN) {
        connect_now(link);
    } else {
        on_timeout(link);
    }
}

/* --- the link itself --- */

struct redis_link *redis_link_create(struct loop *loop, const struct redis_link_options *options)
{
    struct redis_link *link = alloc_zero(1, sizeof(*link));

    require(options->connect_timeout_ms != 0);
    link->loop = loop;
    link->options = *options;
    list_init(&link->calls);
    loop_timer_init(&link->timer, on_timer);
    loop_timer_init(&link->heartbeat, redis_link_on_heartbeat);
    link->heartbeat_ms = REDIS_LINK_HEARTBEAT_MS;
    link->target.address = options->address;
    link->target.tls = options->tls;
    link->health.backend = "redis";
    address_format(&options->address, link->health.address);
    redis_replicas_init(&link->replicas, link->health.address, options->replica_grace_ms);
    redis_handshake_init(&link->handshake, &link->options, &link->health, &link->replicas);
    link->health.changed_at_ms = loop_now_ms(loop);
    link->down_since_ms = link->health.changed_at_ms;
    connect_now(link);
    return link;
}

void redis_link_destroy(struct redis_link *link)
{
    if (link == NULL) {
        return;
    }
    link->is_closing = true;
    loop_timer_stop(&link->timer);
    loop_timer_stop(&link->heartbeat);
    stream_close(link->stream);
    end_calls(link, "the link was closed");
    redisReaderFree(link->reader);
    buf_finish(&link->held);
    redis_replicas_finish(&link->replicas);
    free(link);
}

void redis_link_reset(struct redis_link *link, const char *reason)
{
    redis_link_go_down(link, reason);
}

void redis_link_set_replica_grace(struct redis_link *link, uint64_t grace_ms)
{
    link->replicas.grace_ms = grace_ms;
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link->state == LINK_READY;
}

const char *redis_link_script_sha(const struct redis_link *link)
{
    return link->handshake.sha;
}

void redis_link_health(const struct redis_link *link, struct store_health *ret_health)
{
    *ret_health = link->health;
    ret_health->available = link->state == LINK_READY;
    ret_health->state = state_names[link->state];
    ret_health->in_flight = link->call_count;
    ret_health->replicated_before_ms = redis_replicas_before_ms(&link->replicas);
    ret_health->replicas = link->replicas.known;
    ret_health->replica_count = link->replicas.count;
    snprintf(ret_health->peer, sizeof(ret_health->peer), "%s", link->target.peer);
}
