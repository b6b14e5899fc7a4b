/* SPDX-License-Identifier: MIT */
#include "store/redis_link.h"

#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/redis_greeting.h"
#include "store/stream.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* commands without an answer; more than any number of sites that are flushed in one turn */
#define CALLS_MAX 16384

/* how often an idle link asks for the server's role */
#define HEARTBEAT_MS 5000

/* a reason that did not change is logged again after this time */
#define LOG_AGAIN_MS 60000

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

static const char *const state_names[] = {"down", "resolving", "connecting", "greeting", "ready"};

struct own_call {
    struct redis_call call;
    struct redis_link *link;
    enum redis_step step;
};

struct redis_link {
    struct loop *loop;
    struct redis_link_options options;
    enum link_state state;
    struct stream *stream;
    redisReader *reader;
    struct list calls; /* in the order of their replies */
    size_t call_count;
    struct loop_timer timer; /* DOWN: next attempt; up to GREETING: its end; READY: see there */
    struct backoff backoff;

    struct redis_greeting greeting;
    struct own_call own[REDIS_STEPS]; /* of it, and of the heartbeat */

    struct store_health health;
    uint64_t down_since_ms;
    uint64_t logged_at_ms;
    bool was_ready;
    struct buf held; /* while is_holding */
    bool is_holding;
    bool is_reading; /* inside on_bytes: a reset must not free the reader */
    bool is_closing; /* no on_change any more */
};

static const struct stream_callbacks stream_callbacks;

/* --- states --- */

/* what the timer is for in each state */
static uint64_t timer_ms(struct redis_link *link)
{
    switch (link->state) {
    case LINK_DOWN:
        return backoff_next_ms(&link->backoff);
    case LINK_READY:
        return HEARTBEAT_MS;
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
    loop_timer_start_patience(link->loop, &link->timer, timer_ms(link));
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

static void log_failure(struct redis_link *link, const char *reason)
{
    uint64_t now_ms = loop_now_ms(link->loop);
    bool is_new =
        strncmp(reason, link->health.last_error, sizeof(link->health.last_error) - 1) != 0;
    uint64_t delay_ms = link->timer.at_ms > now_ms ? link->timer.at_ms - now_ms : 0;

    if (is_new || link->was_ready || now_ms - link->logged_at_ms >= LOG_AGAIN_MS) {
        log_warning("redis %s: %s; retrying in %llu ms", link->health.address, reason,
                    (unsigned long long)delay_ms);
        link->logged_at_ms = now_ms;
    }
    link->was_ready = false;
    snprintf(link->health.last_error, sizeof(link->health.last_error), "%s", reason);
}

static void end_calls(struct redis_link *link, const char *reason)
{
    struct list calls;
    struct list *first;

    list_init(&calls);
    list_move_all(&calls, &link->calls);
    link->call_count = 0;
    while ((first = list_take_first(&calls)) != NULL) {
        struct redis_call *call = container_of(first, struct redis_call, link);

        call->on_reply(call, NULL, reason);
    }
}

/* the one way down: from any state, for any reason */
static void go_down(struct redis_link *link, const char *reason)
{
    char kept[sizeof(link->health.last_error)];

    if (link->state == LINK_DOWN) {
        return;
    }
    snprintf(kept, sizeof(kept), "%s", reason); /* it may stand in what is freed now */
    stream_close(link->stream);
    link->stream = NULL;
    buf_clear(&link->held);
    link->is_holding = false;
    set_state(link, LINK_DOWN);
    log_failure(link, kept);
    end_calls(link, kept);
    if (!link->is_reading) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }
}

static void connect_now(struct redis_link *link)
{
    link->reader = redisReaderCreate();
    if (link->reader == NULL) {
        abort();
    }
    link->stream =
        stream_open(link->loop, &link->options.address, link->options.tls, &stream_callbacks, link);
    set_state(link, stream_is_resolving(link->stream) ? LINK_RESOLVING : LINK_CONNECTING);
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

/* without pauses of the process: a command that waited through one has not waited for the server */
static uint64_t now_us(const struct redis_link *link)
{
    return clock_monotonic_us() - loop_lost_ms(link->loop) * 1000;
}

static void submit(struct redis_link *link, struct redis_call *call, struct redis_command *command)
{
    call->sent_at_us = now_us(link);
    list_append(&link->calls, &call->link);
    link->call_count++;
    write_command(link, command);
}

void redis_link_post(struct redis_link *link, struct redis_command *command)
{
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
    submit(link, call, command);
    return 0;
}

/* the timer of a ready link: the oldest command's patience, or the next heartbeat */
static void restart_ready_timer(struct redis_link *link)
{
    uint64_t now_ms = loop_patience_ms(link->loop);
    uint64_t end_ms;

    if (list_is_empty(&link->calls)) {
        loop_timer_start(link->loop, &link->timer, HEARTBEAT_MS);
        return;
    }
    end_ms = container_of(link->calls.next, struct redis_call, link)->sent_at_us / 1000 +
             link->options.command_timeout_ms;
    loop_timer_start_patience(link->loop, &link->timer, end_ms > now_ms ? end_ms - now_ms : 1);
}

static void note_round_trip(struct redis_link *link, const struct redis_call *call)
{
    link->health.round_trip_us = now_us(link) - call->sent_at_us;
}

/* whether a reply is for a subscriber's owner: not the one to its heartbeat, ["pong", ""] */
static bool is_message(const struct redis_link *link, const redisReply *reply)
{
    return link->options.on_message != NULL && link->state == LINK_READY &&
           reply->type == REDIS_REPLY_ARRAY && reply->elements != 0 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "pong") != 0;
}

static void on_reply(struct redis_link *link, const redisReply *reply)
{
    struct list *first = list_take_first(&link->calls);
    struct redis_call *call;

    if (first == NULL) {
        go_down(link, "protocol: a reply that nothing asked for");
        return;
    }
    call = container_of(first, struct redis_call, link);
    link->call_count--;
    note_round_trip(link, call);
    call->on_reply(call, reply, NULL);
}

static void on_bytes(void *data, const char *bytes, size_t length)
{
    struct redis_link *link = data;
    redisReader *reader = link->reader;
    void *reply = NULL;

    link->is_reading = true;
    redisReaderFeed(reader, bytes, length);
    while (link->stream != NULL) {
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            go_down(link, reader->errstr);
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

/* --- greeting and heartbeat --- */

static void become_ready(struct redis_link *link)
{
    char db[32] = "";

    if (link->options.db != 0) {
        snprintf(db, sizeof(db), ", db %s", link->greeting.db);
    }
    backoff_reset(&link->backoff);
    link->health.connects++;
    link->was_ready = true;
    log_info("redis %s: ready after %llu ms: %s, version %s%s", link->health.address,
             (unsigned long long)(loop_now_ms(link->loop) - link->down_since_ms), link->health.role,
             link->health.version[0] != '\0' ? link->health.version : "unknown", db);
    set_state(link, LINK_READY);
}

static void on_own_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct own_call *own = container_of(call, struct own_call, call);
    struct redis_link *link = own->link;
    const char *wrong;

    (void)reason;
    if (reply == NULL) {
        return;
    }
    wrong = redis_greeting_check(&link->greeting, own->step, reply);
    if (wrong != NULL) {
        go_down(link, wrong);
    } else if (own->step == REDIS_ROLE && link->state == LINK_GREETING) {
        become_ready(link);
    }
}

static void submit_own(struct redis_link *link, enum redis_step step)
{
    struct own_call *own = &link->own[step];
    struct redis_command command = REDIS_COMMAND_EMPTY;

    if (redis_greeting_build(&link->greeting, step, &command)) {
        own->link = link;
        own->step = step;
        own->call.on_reply = on_own_reply;
        submit(link, &own->call, &command);
    }
    redis_command_finish(&command);
}

/* --- events --- */

static void on_resolved(void *data)
{
    set_state(data, LINK_CONNECTING);
}

static void on_open(void *data)
{
    struct redis_link *link = data;

    set_state(link, LINK_GREETING);
    for (enum redis_step step = REDIS_AUTH; step <= REDIS_ROLE; step++) {
        submit_own(link, step);
    }
}

static void on_failed(void *data, const char *reason)
{
    go_down(data, reason);
}

static const struct stream_callbacks stream_callbacks = {on_resolved, on_open, on_bytes, on_failed};

static void on_timeout(struct redis_link *link)
{
    char limit[UNITS_TEXT_MAX];
    char reason[96];

    format_duration(link->state == LINK_READY ? link->options.command_timeout_ms
                                              : link->options.connect_timeout_ms,
                    limit);
    snprintf(reason, sizeof(reason), "%s: no answer within %s",
             link->state == LINK_READY ? "command" : state_names[link->state], limit);
    go_down(link, reason);
}

static void on_timer(struct loop_timer *timer)
{
    struct redis_link *link = container_of(timer, struct redis_link, timer);

    if (link->state == LINK_DOWN) {
        connect_now(link);
    } else if (link->state == LINK_READY && list_is_empty(&link->calls)) {
        submit_own(link, link->options.on_message != NULL ? REDIS_PING : REDIS_ROLE);
        loop_timer_start_patience(link->loop, &link->timer, link->options.command_timeout_ms);
    } else {
        on_timeout(link);
    }
}

/* --- the link itself --- */

struct redis_link *redis_link_create(struct loop *loop, const struct redis_link_options *options)
{
    struct redis_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        abort();
    }
    link->loop = loop;
    link->options = *options;
    list_init(&link->calls);
    loop_timer_init(&link->timer, on_timer);
    redis_greeting_init(&link->greeting, &link->options, &link->health);
    link->health.backend = "redis";
    link->health.replicated_before_ms = UINT64_MAX;
    format_address(&options->address, link->health.address);
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
    stream_close(link->stream);
    end_calls(link, "the link was closed");
    redisReaderFree(link->reader);
    buf_finish(&link->held);
    free(link);
}

void redis_link_reset(struct redis_link *link, const char *reason)
{
    go_down(link, reason);
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link->state == LINK_READY;
}

const char *redis_link_script_sha(const struct redis_link *link)
{
    return link->greeting.sha;
}

void redis_link_health(const struct redis_link *link, struct store_health *ret_health)
{
    *ret_health = link->health;
    ret_health->available = link->state == LINK_READY;
    ret_health->state = state_names[link->state];
    ret_health->in_flight = link->call_count;
}
