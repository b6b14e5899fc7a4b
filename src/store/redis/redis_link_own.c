/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_link_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/redis/redis_link.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>

/*
 * A connection that was closed after at least IDLE_LEAST_MS may have been closed for being idle.
 * Redis checks once per second, so the idle times of two such connections differ by at most that.
 */
#define IDLE_LEAST_MS  900
#define IDLE_SPREAD_MS 1200

/* --- handshake and heartbeat --- */

static bool submit_own(struct redis_link *link, enum redis_step step);

static void continue_handshake(struct redis_link *link, enum redis_step answered)
{
    if (answered == REDIS_REPLICATION ||
        (answered == REDIS_ROLE && link->handshake.role_source == REDIS_BY_ROLE)) {
        redis_link_become_ready(link);
    } else if (answered == REDIS_ROLE) {
        submit_own(link, REDIS_REPLICATION);
    }
}

/* handles the reply to AUTH on an authenticated connection; after an error the old user stays */
static void end_change_of_credentials(struct redis_link *link, const char *wrong)
{
    link->is_changing_credentials = false;
    if (wrong != NULL) {
        log_warning("redis %s: the new user or password: %s; the connection goes on with the old "
                    "one, and the next one will fail",
                    link->health.address, wrong);
    } else {
        log_info("redis %s: authenticated with the new user or password", link->health.address);
    }
}

static void on_own_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_own_call *own = container_of(call, struct redis_own_call, call);
    struct redis_link *link = own->link;
    const char *wrong;

    (void)reason;
    if (reply == NULL) {
        return;
    }
    wrong = redis_handshake_check(&link->handshake, own->step, own->asked_at_ms, reply);
    if (link->is_changing_credentials && own->step == REDIS_AUTH) {
        end_change_of_credentials(link, wrong);
    } else if (wrong != NULL) {
        redis_link_go_down(link, wrong);
    } else if (link->state == LINK_HANDSHAKE) {
        continue_handshake(link, own->step);
    } else {
        loop_timer_start(link->loop, &link->heartbeat, link->heartbeat_ms);
    }
}

/* returns whether the step has a command */
static bool submit_own(struct redis_link *link, enum redis_step step)
{
    struct redis_own_call *own = &link->own[step];
    struct redis_command command = REDIS_COMMAND_EMPTY;
    bool is_said = redis_handshake_build(&link->handshake, step, &command);

    if (is_said) {
        own->link = link;
        own->step = step;
        own->asked_at_ms = loop_now_ms(link->loop);
        own->call.on_reply = on_own_reply;
        if (step == REDIS_ROLE || step == REDIS_REPLICATION) {
            link->role_asked_at_ms = own->asked_at_ms;
        }
        if (link->state == LINK_READY && list_is_empty(&link->calls)) {
            loop_timer_start(link->loop, &link->timer, link->options.command_timeout_ms);
        }
        redis_link_submit(link, &own->call, &command);
    }
    redis_command_finish(&command);
    return is_said;
}

static enum redis_step heartbeat_step(const struct redis_link *link)
{
    uint64_t passed_ms = loop_now_ms(link->loop) - link->role_asked_at_ms;

    if (link->options.on_message != NULL || link->handshake.role_source == REDIS_BY_NOBODY ||
        passed_ms + link->heartbeat_ms / 2 < REDIS_LINK_HEARTBEAT_MS) {
        return REDIS_PING;
    }
    return link->handshake.role_source == REDIS_BY_ROLE ? REDIS_ROLE : REDIS_REPLICATION;
}

/* the reply restarts the timer */
void redis_link_on_heartbeat(struct loop_timer *timer)
{
    struct redis_link *link = container_of(timer, struct redis_link, heartbeat);
    uint64_t idle_ms = (clock_monotonic_us() - link->sent_at_us) / 1000;
    enum redis_step step = heartbeat_step(link);

    if (step == REDIS_PING && idle_ms < link->heartbeat_ms) {
        loop_timer_start(link->loop, timer, link->heartbeat_ms - idle_ms);
    } else {
        submit_own(link, step);
    }
}

/* --- idle connections --- */

void redis_link_keep_alive(struct redis_link *link, uint64_t timeout_ms)
{
    uint64_t heartbeat_ms = timeout_ms / 3 + 1;

    if (heartbeat_ms >= link->heartbeat_ms) {
        return;
    }
    link->heartbeat_ms = heartbeat_ms;
    if (link->state == LINK_READY) {
        loop_timer_start(link->loop, &link->heartbeat, heartbeat_ms);
    }
}

/* notes that the server closed an idle connection; after the second time, keeps the link alive */
void redis_link_note_idle_close(struct redis_link *link)
{
    uint64_t idle_ms = (clock_monotonic_us() - link->sent_at_us) / 1000;
    uint64_t before_ms = link->closed_idle_ms;
    uint64_t shorter_ms = idle_ms < before_ms ? idle_ms : before_ms;

    link->closed_idle_ms = idle_ms < IDLE_LEAST_MS ? 0 : idle_ms;
    if (shorter_ms < IDLE_LEAST_MS || idle_ms + before_ms - 2 * shorter_ms > IDLE_SPREAD_MS ||
        shorter_ms / 3 + 1 >= link->heartbeat_ms) {
        return;
    }
    log_warning("redis %s: idle connections are closed after about %llu s; the link sends PING "
                "before that; set timeout to 0 in redis.conf, or raise the timeout of the proxy in "
                "front of it",
                link->health.address, (unsigned long long)(shorter_ms + 500) / 1000);
    redis_link_keep_alive(link, shorter_ms);
}

/* --- the handshake as a whole --- */

void redis_link_begin_handshake(struct redis_link *link)
{
    redis_replicas_reconnect(&link->replicas, link->target.peer);
    redis_handshake_begin(&link->handshake);
    for (enum redis_step step = REDIS_AUTH; step <= REDIS_ROLE; step++) {
        submit_own(link, step);
    }
}

/* fails the handshake; the message names the unanswered command and the likely cause */
void redis_link_fail_handshake(struct redis_link *link, const char *reason)
{
    const struct redis_own_call *own =
        container_of(link->calls.next, struct redis_own_call, call.link);
    bool is_closed =
        strncmp(reason, "read: ", strlen("read: ")) == 0; /* closed in order, or by a reset */
    /* a server that was ready before is restarting; it has not switched to TLS */
    bool may_be_tls = !link->was_answered && link->target.tls == NULL &&
                      !link->options.address.is_unix && link->health.connects == 0;
    char text[sizeof(link->health.last_error) + sizeof(link->handshake.ignored) + 128];

    snprintf(text, sizeof(text), "%s: %s%s%s%s", redis_handshake_name(own->step),
             is_closed ? "the server closed the connection" : reason,
             *link->handshake.ignored != '\0' ? " after it said " : "", link->handshake.ignored,
             may_be_tls ? ", as one that expects TLS does: see redis.tls" : "");
    redis_link_go_down(link, text);
}

void redis_link_set_credentials(struct redis_link *link, const char *username, const char *password)
{
    link->options.username = username;
    link->options.password = password;
    if (link->state == LINK_DOWN) {
        backoff_reset(&link->backoff);
        loop_timer_start(link->loop, &link->timer, 1);
    } else if (link->state == LINK_READY && link->options.on_message == NULL &&
               !link->is_changing_credentials) {
        link->is_changing_credentials = submit_own(link, REDIS_AUTH);
    }
}
