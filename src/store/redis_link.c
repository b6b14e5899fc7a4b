/* SPDX-License-Identifier: MIT */
#include "store/redis_link.h"

#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/stream.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* commands without an answer; more than any number of sites that are flushed in one turn */
#define CALLS_MAX 16384

/* how often an idle link asks for the server's role */
#define HEARTBEAT_MS 5000

/* a reason that did not change is logged again after this time */
#define LOG_AGAIN_MS 60000

#define SHA_LENGTH 40

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

static const char *const state_names[] = {"down", "resolving", "connecting", "greeting", "ready"};

/* one row of the greeting: `build` writes the command, if any, `check` says what is wrong */
struct step {
    bool (*build)(const struct redis_link *link, struct redis_command *command);
    const char *(*check)(struct redis_link *link, const redisReply *reply);
};

#define GREETING_STEPS 6
#define OWN_CALLS      (GREETING_STEPS + 1)

struct own_call {
    struct redis_call call;
    struct redis_link *link;
    const struct step *step;
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

    struct own_call own[OWN_CALLS]; /* greeting and heartbeat */
    char own_error[256];            /* what a reply to them said */
    char db_text[24];
    char sha[SHA_LENGTH + 1];

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
    loop_timer_start(link->loop, &link->timer, timer_ms(link));
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

static void submit(struct redis_link *link, struct redis_call *call, struct redis_command *command)
{
    call->sent_at_us = clock_monotonic_us();
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
        loop_timer_start(link->loop, &link->timer, link->options.command_timeout_ms);
    }
    submit(link, call, command);
    return 0;
}

/* the timer of a ready link: the oldest command's patience, or the next heartbeat */
static void restart_ready_timer(struct redis_link *link)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t end_ms;

    if (list_is_empty(&link->calls)) {
        loop_timer_start(link->loop, &link->timer, HEARTBEAT_MS);
        return;
    }
    end_ms = container_of(link->calls.next, struct redis_call, link)->sent_at_us / 1000 +
             link->options.command_timeout_ms;
    loop_timer_start(link->loop, &link->timer, end_ms > now_ms ? end_ms - now_ms : 1);
}

static void note_round_trip(struct redis_link *link, const struct redis_call *call)
{
    link->health.round_trip_us = clock_monotonic_us() - call->sent_at_us;
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
        snprintf(db, sizeof(db), ", db %s", link->db_text);
    }
    backoff_reset(&link->backoff);
    link->health.connects++;
    link->was_ready = true;
    log_info("redis %s: ready after %llu ms: %s, version %s%s", link->health.address,
             (unsigned long long)(loop_now_ms(link->loop) - link->down_since_ms), link->health.role,
             link->health.version[0] != '\0' ? link->health.version : "unknown", db);
    set_state(link, LINK_READY);
}

/* an error reply in words, or NULL */
static const char *error_of(struct redis_link *link, const char *command, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return NULL;
    }
    snprintf(link->own_error, sizeof(link->own_error), "%s: %s", command, reply->str);
    return link->own_error;
}

static bool build_auth(const struct redis_link *link, struct redis_command *command)
{
    if (*link->options.password == '\0') {
        return false;
    }
    redis_command_begin(command, "AUTH");
    if (*link->options.username != '\0') {
        redis_command_add_text(command, link->options.username);
    }
    redis_command_add_text(command, link->options.password);
    return true;
}

static const char *check_auth(struct redis_link *link, const redisReply *reply)
{
    return error_of(link, "AUTH", reply);
}

static bool build_select(const struct redis_link *link, struct redis_command *command)
{
    redis_command_begin(command, "SELECT");
    redis_command_add_text(command, link->db_text);
    return link->options.db != 0;
}

static const char *check_select(struct redis_link *link, const redisReply *reply)
{
    return error_of(link, "SELECT", reply);
}

static bool build_name(const struct redis_link *link, struct redis_command *command)
{
    redis_command_begin(command, "CLIENT");
    redis_command_add_text(command, "SETNAME");
    redis_command_add_text(command, link->options.client_name);
    return true;
}

/* an error of a command that is only a convenience: an access list may forbid it */
static const char *error_unless_forbidden(struct redis_link *link, const char *command,
                                          const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && (strncmp(reply->str, "NOPERM", 6) == 0 ||
                                             strncasecmp(reply->str, "ERR unknown", 11) == 0)) {
        return NULL;
    }
    return error_of(link, command, reply);
}

static const char *check_name(struct redis_link *link, const redisReply *reply)
{
    return error_unless_forbidden(link, "CLIENT SETNAME", reply);
}

static bool build_info(const struct redis_link *link, struct redis_command *command)
{
    (void)link;
    redis_command_begin(command, "INFO");
    redis_command_add_text(command, "server");
    return true;
}

static const char *check_info(struct redis_link *link, const redisReply *reply)
{
    static const char field[] = "redis_version:";
    const char *found;

    if (reply->type == REDIS_REPLY_STRING && (found = strstr(reply->str, field)) != NULL) {
        found += sizeof(field) - 1;
        snprintf(link->health.version, sizeof(link->health.version), "%.*s",
                 (int)strcspn(found, "\r\n"), found);
    }
    return error_unless_forbidden(link, "INFO", reply);
}

static bool build_script(const struct redis_link *link, struct redis_command *command)
{
    if (link->options.script == NULL) {
        return false;
    }
    redis_command_begin(command, "SCRIPT");
    redis_command_add_text(command, "LOAD");
    redis_command_add_text(command, link->options.script);
    return true;
}

static const char *check_script(struct redis_link *link, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING && reply->len == SHA_LENGTH) {
        memcpy(link->sha, reply->str, SHA_LENGTH + 1);
        return NULL;
    }
    error_of(link, "SCRIPT LOAD", reply);
    return reply->type == REDIS_REPLY_ERROR ? link->own_error : "SCRIPT LOAD: no digest in reply";
}

static bool build_role(const struct redis_link *link, struct redis_command *command)
{
    (void)link;
    redis_command_begin(command, "ROLE");
    return true;
}

/* the last of the greeting, and the heartbeat */
static const char *check_role(struct redis_link *link, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        error_of(link, "ROLE", reply);
        return reply->type == REDIS_REPLY_ERROR ? link->own_error : "ROLE: unexpected reply";
    }
    snprintf(link->health.role, sizeof(link->health.role), "%s", reply->element[0]->str);
    if (strcmp(link->health.role, "master") != 0) {
        return "the server is a replica: it takes no writes";
    }
    if (link->state == LINK_GREETING) {
        become_ready(link);
    }
    return NULL;
}

static bool build_ping(const struct redis_link *link, struct redis_command *command)
{
    (void)link;
    redis_command_begin(command, "PING");
    return true;
}

/* a subscriber's heartbeat: it may ask for nothing else */
static const char *check_ping(struct redis_link *link, const redisReply *reply)
{
    return error_of(link, "PING", reply);
}

static const struct step steps[OWN_CALLS] = {
    {build_auth, check_auth}, {build_select, check_select}, {build_name, check_name},
    {build_info, check_info}, {build_script, check_script}, {build_role, check_role},
    {build_ping, check_ping},
};

static const struct step *heartbeat_of(const struct redis_link *link)
{
    return &steps[link->options.on_message != NULL ? GREETING_STEPS : GREETING_STEPS - 1];
}

static void on_own_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct own_call *own = container_of(call, struct own_call, call);
    const char *wrong = reply != NULL ? own->step->check(own->link, reply) : NULL;

    (void)reason;
    if (wrong != NULL) {
        go_down(own->link, wrong);
    }
}

static void submit_own(struct redis_link *link, const struct step *step)
{
    struct own_call *own = &link->own[step - steps];
    struct redis_command command = REDIS_COMMAND_EMPTY;

    if (step->build(link, &command)) {
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
    for (size_t i = 0; i < GREETING_STEPS; i++) {
        submit_own(link, &steps[i]);
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
        submit_own(link, heartbeat_of(link));
        loop_timer_start(link->loop, &link->timer, link->options.command_timeout_ms);
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
    snprintf(link->db_text, sizeof(link->db_text), "%llu", (unsigned long long)options->db);
    link->health.backend = "redis";
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
    return link->sha;
}

void redis_link_health(const struct redis_link *link, struct store_health *ret_health)
{
    *ret_health = link->health;
    ret_health->available = link->state == LINK_READY;
    ret_health->state = state_names[link->state];
    ret_health->in_flight = link->call_count;
}
