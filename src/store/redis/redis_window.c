/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_window.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "store/redis/redis_command.h"
#include "store/token_buckets.h"

#include <hiredis/hiredis.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* seconds by level; the last level takes no tokens */
static const uint64_t windows_s[] = {STORE_WINDOW_CLIENT_S, STORE_WINDOW_CLIENT_S / 2, 60, 0};
#define LAST_LEVEL (sizeof(windows_s) / sizeof(windows_s[0]) - 1)

/* used shares of maxmemory: from here on the window shrinks; below here it grows */
#define SHORT_PERCENT 90
#define ROOMY_PERCENT 80

/* from here on, memory is looked at often */
#define NEAR_PERCENT 75

#define LOOK_MS 1000

/* how long a level lasts at least before the window grows; and if INFO is forbidden */
#define GROW_MS         60000
#define GROW_UNKNOWN_MS 300000

/* Refusals of commands that were sent before a deletion ended mean nothing. */
#define SETTLE_MS 100

/* how often all tokens are deleted at most, if memory is full of other data */
#define AGAIN_MS 5000

/* of maxmemory: the next look tells it */
#define NOT_LEARNT UINT64_MAX

/* buckets so much older and newer than now are deleted: more than can exist */
#define BUCKETS_BEFORE 6
#define BUCKETS_AFTER  3

static void start_deletion(struct redis_window *window);

static uint64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

/* --- levels --- */

static void use_level(struct redis_window *window)
{
    window->store->client_window_s = windows_s[window->level];
    window->store->refuses_client_tokens = window->level == LAST_LEVEL;
}

static void log_level(const struct redis_window *window, bool is_shorter)
{
    char text[UNITS_TEXT_MAX];

    if (window->level == LAST_LEVEL) {
        log_warning(
            "redis %s: memory is full: all Idempotency-Keys are forgotten, and visits with one "
            "are refused for a minute; other visits count; raise maxmemory",
            window->server);
    } else if (is_shorter) {
        log_warning(
            "redis %s: memory is short: an Idempotency-Key is kept for %s instead of 1h, and "
            "a later repetition counts again; raise maxmemory",
            window->server, units_format_duration(1000 * windows_s[window->level], text));
    } else {
        log_info("redis %s: memory is free again: an Idempotency-Key is kept for %s",
                 window->server, units_format_duration(1000 * windows_s[window->level], text));
    }
}

static void set_level(struct redis_window *window, unsigned level)
{
    bool is_shorter = level > window->level;

    require(level <= LAST_LEVEL);
    window->level = level;
    window->changed_at_ms = loop_now_ms(window->loop);
    use_level(window);
    log_level(window, is_shorter);
    if (is_shorter) {
        start_deletion(window);
    }
    loop_timer_start(window->loop, &window->timer, LOOK_MS);
}

/* whether the operator has given the server more memory since it was short */
static bool was_enlarged(const struct redis_window *window)
{
    return window->is_known && window->percent < ROOMY_PERCENT &&
           (window->maxmemory == 0 || window->maxmemory > window->short_maxmemory);
}

/* whether memory has been free for long enough that the window may grow by a level */
static bool may_grow(const struct redis_window *window)
{
    uint64_t quiet_ms = loop_now_ms(window->loop) - window->changed_at_ms;

    if (!window->is_known) {
        return quiet_ms >= GROW_UNKNOWN_MS;
    }
    return quiet_ms >= GROW_MS &&
           window->percent < (window->level == LAST_LEVEL ? SHORT_PERCENT : ROOMY_PERCENT);
}

static void judge(struct redis_window *window)
{
    if (window->is_known && window->short_maxmemory == NOT_LEARNT) {
        window->short_maxmemory = window->maxmemory;
    }
    if (window->is_known && window->percent >= SHORT_PERCENT) {
        window->short_maxmemory = window->maxmemory;
        if (window->level + 1 < LAST_LEVEL && !window->is_deleting) {
            set_level(window, window->level + 1);
        }
    } else if (window->level != 0 && was_enlarged(window)) {
        set_level(window, 0);
    } else if (window->level != 0 && may_grow(window)) {
        set_level(window, window->level - 1);
    }
}

/* --- deletion --- */

/* the oldest bucket that the present window reaches */
static uint64_t first_kept(const struct redis_window *window, uint64_t span_s)
{
    return window->level == LAST_LEVEL ? now_s() / span_s + BUCKETS_AFTER
                                       : (now_s() - windows_s[window->level]) / span_s;
}

static void add_buckets(struct redis_command *command, const char *site, const char *kind,
                        uint64_t span_s, uint64_t first_kept)
{
    for (uint64_t number = now_s() / span_s - BUCKETS_BEFORE; number < first_kept; number++) {
        char key[STORE_SITE_MAX + 64];

        snprintf(key, sizeof(key), "vc:{%s}:%s%" PRIu64, site, kind, number);
        redis_command_add_text(command, key);
    }
}

static void end_deletion(struct redis_window *window)
{
    free(window->names);
    window->names = NULL;
    window->is_open = false;
    window->is_deleting = false;
    window->deleted_at_ms = loop_now_ms(window->loop);
    if (window->is_due) {
        start_deletion(window);
    }
}

/* sends a command, and finishes it; if the link rejects it, the deletion ends */
static void send_command(struct redis_window *window, struct redis_command *command,
                         void (*on_reply)(struct redis_call *call, const redisReply *reply,
                                          const char *reason))
{
    window->call = (struct redis_call){.on_reply = on_reply};
    window->is_open =
        window->link != NULL && redis_link_send(window->link, &window->call, command) == 0;
    redis_command_finish(command);
}

static void on_deleted(struct redis_call *call, const redisReply *reply, const char *reason);

/* deletes the buckets of the next site */
static void delete_next(struct redis_window *window)
{
    struct redis_command command = REDIS_COMMAND_EMPTY;
    const char *site = window->names + window->names_at;

    if (window->names_at >= window->names_length) {
        end_deletion(window);
        return;
    }
    window->names_at += strlen(site) + 1;
    redis_command_begin(&command, "UNLINK");
    add_buckets(&command, site, REDIS_CLIENT_TOKENS, TOKEN_BUCKET_CLIENT_S, window->first_kept);
    add_buckets(&command, site, REDIS_OLD_CLIENT_TOKENS, STORE_WINDOW_CLIENT_S,
                first_kept(window, STORE_WINDOW_CLIENT_S));
    send_command(window, &command, on_deleted);
    if (!window->is_open) {
        end_deletion(window);
    }
}

static void on_deleted(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_window *window = container_of(call, struct redis_window, call);

    (void)reason;
    if (reply == NULL) {
        window->is_due = false; /* the connection was lost; the next refusal begins anew */
        end_deletion(window);
        return;
    }
    delete_next(window);
}

static void on_sites(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_window *window = container_of(call, struct redis_window, call);
    struct buf names = BUF_EMPTY;

    (void)reason;
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            const redisReply *name = reply->element[i];

            if (name->type == REDIS_REPLY_STRING && (size_t)name->len <= STORE_SITE_MAX &&
                strlen(name->str) == (size_t)name->len) {
                buf_append(&names, name->str, (size_t)name->len + 1);
            }
        }
    }
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        window->is_due = false;
    }
    window->names = names.bytes;
    window->names_length = names.length;
    window->names_at = 0;
    delete_next(window);
}

/* deletes the buckets that the window does not reach, of all sites, one after the other */
static void start_deletion(struct redis_window *window)
{
    struct redis_command command = REDIS_COMMAND_EMPTY;

    window->is_due = window->is_open;
    if (window->is_open) {
        return;
    }
    window->first_kept = first_kept(window, TOKEN_BUCKET_CLIENT_S);
    redis_command_begin(&command, "SMEMBERS");
    redis_command_add_text(&command, REDIS_SITES_KEY);
    send_command(window, &command, on_sites);
    window->is_deleting = window->is_open;
}

/* --- memory --- */

static void read_facts(struct redis_window *window, const struct redis_facts *facts)
{
    uint64_t used;

    window->is_known = redis_facts_memory(facts, &used, &window->maxmemory);
    window->percent = !window->is_known || window->maxmemory == 0 ? 0
                      : used / 2 >= window->maxmemory             ? 200
                                                      : (unsigned)(used * 100 / window->maxmemory);
}

static void on_memory(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_window *window = container_of(call, struct redis_window, call);
    static const struct redis_question question = {{"INFO", "memory", NULL}};
    struct redis_facts facts = {0};

    (void)reason;
    window->is_open = false;
    if (reply != NULL) {
        redis_facts_parse(&facts, &question, reply);
        read_facts(window, &facts);
        judge(window);
    }
    if (window->is_due) {
        start_deletion(window);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct redis_window *window = container_of(timer, struct redis_window, timer);
    struct redis_command command = REDIS_COMMAND_EMPTY;

    if (window->level == 0 && window->percent < NEAR_PERCENT) {
        return; /* redis_look goes on looking */
    }
    loop_timer_start(window->loop, timer, LOOK_MS);
    if (window->is_open || window->link == NULL || !redis_link_is_ready(window->link)) {
        return;
    }
    if (window->level != 0 && first_kept(window, TOKEN_BUCKET_CLIENT_S) != window->first_kept) {
        start_deletion(window);
        return;
    }
    redis_command_begin(&command, "INFO");
    redis_command_add_text(&command, "memory");
    send_command(window, &command, on_memory);
}

void redis_window_judge(struct redis_window *window, const struct redis_facts *facts)
{
    read_facts(window, facts);
    judge(window);
    if (window->percent >= NEAR_PERCENT) {
        loop_timer_start(window->loop, &window->timer, LOOK_MS);
    }
}

void redis_window_note_full(struct redis_window *window)
{
    uint64_t now_ms = loop_now_ms(window->loop);

    window->changed_at_ms = now_ms;
    window->short_maxmemory = window->maxmemory != 0 ? window->maxmemory : NOT_LEARNT;
    if (window->is_deleting || window->is_due ||
        (window->deleted_at_ms != 0 && now_ms - window->deleted_at_ms < SETTLE_MS)) {
        return;
    }
    if (window->level != LAST_LEVEL) {
        set_level(window, window->level + 1);
    } else if (now_ms - window->deleted_at_ms >= AGAIN_MS) {
        start_deletion(window);
    }
}

/* --- life --- */

void redis_window_init(struct redis_window *window, struct loop *loop, struct store *store,
                       const char *server)
{
    *window = (struct redis_window){.loop = loop, .store = store, .server = server};
    loop_timer_init(&window->timer, on_timer);
    use_level(window);
}

void redis_window_finish(struct redis_window *window)
{
    loop_timer_stop(&window->timer);
    window->link = NULL;
    free(window->names);
    window->names = NULL;
    window->names_length = 0;
    window->names_at = 0;
    window->is_due = false;
}
