/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_look.h"

#include "base/require.h"

#include "base/log.h"
#include "store/redis/redis_window.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>

/*
 * Delays after the first connect and after a reconnect. Commands that waited for the link go first,
 * and a connection that breaks at once again gets no questions.
 */
#define FIRST_DELAY_MS     1
#define RECONNECT_DELAY_MS 500

#define INTERVAL_MS 60000

/* after this many connections that broke during a round, the questions are the likely cause */
#define LOST_ROUNDS_MAX 3

/* --- findings --- */

static void log_verdict(const struct redis_look *look, size_t check, enum redis_finding before)
{
    enum redis_finding now = look->verdicts[check];

    if (now == REDIS_WRONG && (look->is_first || before != REDIS_WRONG)) {
        log_warning("redis %s: %s", look->server, look->texts[check]);
    } else if (now == REDIS_FINE && before == REDIS_WRONG) {
        log_info("redis %s: %s is well again", look->server, redis_checks[check].asked);
    }
}

static void judge(struct redis_look *look)
{
    unsigned timeout_s = redis_facts_timeout_s(&look->facts);

    if (look->has_rewrite) {
        redis_facts_set_rewrite(&look->facts, look->rewrite);
    }
    look->warning_count = 0;
    for (size_t i = 0; i < REDIS_CHECKS; i++) {
        const struct redis_check *check = &redis_checks[i];
        enum redis_finding before = look->verdicts[i];

        look->verdicts[i] = check->judge(&look->facts);
        look->texts[i][0] = '\0';
        if (look->verdicts[i] == REDIS_WRONG) {
            check->tell(&look->facts, look->texts[i]);
        }
        log_verdict(look, i, before);
        if (look->verdicts[i] != REDIS_NOT_KNOWN) {
            look->warnings[look->warning_count++] =
                (struct store_warning){check->id, look->texts[i]};
        }
    }
    if (timeout_s != 0) {
        redis_link_keep_alive(look->link, (uint64_t)1000 * timeout_s);
    }
    look->is_first = false;
}

/* --- questions --- */

static void end_round(struct redis_look *look)
{
    look->lost_rounds = 0;
    judge(look);
    redis_window_judge(look->window, &look->facts);
    loop_timer_start(look->loop, &look->timer, INTERVAL_MS);
}

static void on_reply(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_look_call *own = container_of(call, struct redis_look_call, call);
    struct redis_look *look = own->look;

    (void)reason;
    look->open_count--;
    if (reply == NULL) {
        return; /* redis_look_note() handles the lost connection */
    }
    look->is_refused[own->question] = reply->type == REDIS_REPLY_ERROR;
    redis_facts_parse(&look->facts, &redis_questions[own->question], reply);
    if (look->open_count == 0) {
        end_round(look);
    }
}

static void ask(struct redis_look *look, size_t question)
{
    struct redis_look_call *own = &look->calls[question];
    const char *const *words = redis_questions[question].words;
    struct redis_command command = REDIS_COMMAND_EMPTY;

    require(question < REDIS_QUESTIONS);
    redis_command_begin(&command, words[0]);
    for (size_t i = 1; i < 3 && words[i] != NULL; i++) {
        redis_command_add_text(&command, words[i]);
    }
    own->look = look;
    own->question = question;
    own->call.on_reply = on_reply;
    if (redis_link_send(look->link, &own->call, &command) == 0) {
        look->open_count++;
    }
    redis_command_finish(&command);
}

static void on_timer(struct loop_timer *timer)
{
    struct redis_look *look = container_of(timer, struct redis_look, timer);

    memset(&look->facts, 0, sizeof(look->facts));
    for (size_t i = 0; i < REDIS_QUESTIONS; i++) {
        if (!look->is_refused[i]) {
            ask(look, i);
        }
    }
    if (look->open_count == 0) {
        look->is_first = false;
        loop_timer_start(look->loop, timer, INTERVAL_MS);
    }
}

void redis_look_init(struct redis_look *look, struct loop *loop, const char *server,
                     struct redis_window *window)
{
    require(server != NULL);
    *look = (struct redis_look){.loop = loop, .server = server, .window = window};
    loop_timer_init(&look->timer, on_timer);
}

void redis_look_finish(struct redis_look *look)
{
    loop_timer_stop(&look->timer);
    look->link = NULL;
}

void redis_look_set_rewrite(struct redis_look *look, const char *problem)
{
    require(problem != NULL);
    look->has_rewrite = true;
    snprintf(look->rewrite, sizeof(look->rewrite), "%s", problem);
    if (look->open_count == 0) {
        judge(look); /* else the round that runs does it */
    }
}

void redis_look_note(struct redis_look *look, bool is_ready)
{
    if (!is_ready) {
        loop_timer_stop(&look->timer);
        if (look->open_count != 0 && ++look->lost_rounds == LOST_ROUNDS_MAX) {
            log_warning(
                "redis %s: the connection was lost while CONFIG GET and INFO were asked, %d "
                "times in a row; they are not asked any more, so nothing warns of settings "
                "that lose numbers",
                look->server, LOST_ROUNDS_MAX);
        }
        return;
    }
    memset(look->is_refused, 0, sizeof(look->is_refused));
    memset(&look->facts, 0, sizeof(look->facts));
    look->has_rewrite = false;
    look->is_first = true;
    if (look->link != NULL && look->lost_rounds < LOST_ROUNDS_MAX) {
        loop_timer_start(look->loop, &look->timer,
                         look->has_connected ? RECONNECT_DELAY_MS : FIRST_DELAY_MS);
    }
    look->has_connected = true;
}
