/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_rewrite.h"

#include "base/require.h"

#include "base/asset.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/redis/redis_command.h"
#include "store/redis/redis_scripts.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOCK_KEY "vc:rewrite"

#define LOOK_MS 5000

/* the next attempt after an error, and after one that is about to pass */
#define AGAIN_MS   600000
#define PASSING_MS 15000

#define SECONDS_PER_DAY 86400

/* a salt expires at 12:00 UTC three days after its own; see salt_ttl_s() */
#define SALT_DAYS 4

/* expired salts of so many days are deleted: longer than Redis could leave one undeleted */
#define SALTS_DELETED 10

ASSET(redis_lock_lua, "src/store/redis/lock.lua");
ASSET_DECLARE(redis_lock_lua);

static void fail(struct redis_rewrite *rewrite, const char *problem)
{
    rewrite->again_at_ms = loop_now_ms(rewrite->loop) + AGAIN_MS;
    rewrite->asked_at = 0;
    redis_look_set_rewrite(rewrite->look, problem);
}

/*
 * whether an error says that the server refuses all writes for now; the store warns of that, and
 * permissions have nothing to do with it
 */
static bool is_passing(const char *error)
{
    static const char *const codes[] = {"BUSY ",       "LOADING ",    "READONLY ",
                                        "NOREPLICAS ", "MASTERDOWN ", "CLUSTERDOWN ",
                                        "TRYAGAIN ",   "OOM ",        "MISCONF "};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strncmp(error, codes[i], strlen(codes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void fail_with_reply(struct redis_rewrite *rewrite, const redisReply *reply)
{
    char problem[REDIS_FACT_TEXT_MAX];

    if (is_passing(reply->str)) {
        rewrite->again_at_ms = loop_now_ms(rewrite->loop) + PASSING_MS;
        rewrite->asked_at = 0;
        return;
    }
    snprintf(problem, sizeof(problem), "%s", reply->str);
    fail(rewrite, problem);
}

static void send_command(struct redis_rewrite *rewrite, struct redis_command *command,
                         void (*on_reply)(struct redis_call *call, const redisReply *reply,
                                          const char *reason))
{
    rewrite->call = (struct redis_call){.on_reply = on_reply};
    rewrite->is_open = redis_link_send(rewrite->link, &rewrite->call, command) == 0;
    if (!rewrite->is_open) {
        rewrite->asked_at = 0;
    }
    redis_command_finish(command);
}

/* the lock was given back, or not: then it expires with the day */
static void on_unlocked(struct redis_call *call, const redisReply *reply, const char *reason)
{
    (void)reply;
    (void)reason;
    container_of(call, struct redis_rewrite, call)->is_open = false;
}

static void unlock(struct redis_rewrite *rewrite)
{
    struct redis_command command = REDIS_COMMAND_EMPTY;

    redis_command_begin(&command, "UNLINK");
    redis_command_add_text(&command, LOCK_KEY);
    send_command(rewrite, &command, on_unlocked);
}

static void on_rewrite(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_rewrite *rewrite = container_of(call, struct redis_rewrite, call);

    (void)reason;
    rewrite->is_open = false;
    if (reply == NULL) {
        return;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        log_debug("redis %s: rewrites its append-only file: salts and visitors of bygone days go",
                  rewrite->look->server);
        redis_look_set_rewrite(rewrite->look, "");
        return;
    }
    if (strstr(reply->str, "in progress") != NULL) {
        rewrite->asked_at = 0; /* it began before the salts were deleted: again when it has ended */
    } else {
        fail_with_reply(rewrite, reply);
    }
    if (rewrite->link != NULL) {
        unlock(rewrite);
    }
}

static void on_locked(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_rewrite *rewrite = container_of(call, struct redis_rewrite, call);
    struct redis_command command = REDIS_COMMAND_EMPTY;

    (void)reason;
    rewrite->is_open = false;
    if (reply == NULL || rewrite->link == NULL) {
        rewrite->asked_at = 0;
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_with_reply(rewrite, reply);
    } else if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1) {
        redis_command_begin(&command, "BGREWRITEAOF");
        send_command(rewrite, &command, on_rewrite);
    }
}

static void lock(struct redis_rewrite *rewrite, uint64_t day)
{
    struct redis_command command = REDIS_COMMAND_EMPTY;
    char key[32];

    redis_command_begin(&command, "EVAL");
    redis_command_add_text(&command, redis_lock_lua);
    redis_command_add_u64(&command, REDIS_LOCK_KEY_COUNT + SALTS_DELETED);
    redis_command_add_text(REDIS_NEXT_KEY(&command, lock, lock_key), LOCK_KEY);
    redis_scripts_next(&command, REDIS_SCRIPT_WORDS, REDIS_LOCK_KEY_COUNT);
    for (uint64_t i = 0; i < SALTS_DELETED; i++) {
        time_t time = (time_t)((day - SALT_DAYS - i) * SECONDS_PER_DAY);
        struct tm utc;

        gmtime_r(&time, &utc);
        strftime(key, sizeof(key), REDIS_SALT_KEY, &utc);
        redis_command_add_text(&command, key);
    }
    send_command(rewrite, &command, on_locked);
}

/* the lock is tried each half hour as well: Redis' clock may be behind ours */
static bool is_due(const struct redis_rewrite *rewrite, uint64_t half_hour)
{
    return !rewrite->is_open && rewrite->link != NULL && redis_link_is_ready(rewrite->link) &&
           rewrite->asked_at != half_hour && loop_now_ms(rewrite->loop) >= rewrite->again_at_ms;
}

static void on_timer(struct loop_timer *timer)
{
    struct redis_rewrite *rewrite = container_of(timer, struct redis_rewrite, timer);
    uint64_t now_s = clock_wall_ms() / 1000;

    loop_timer_start(rewrite->loop, timer, LOOK_MS);
    if (!is_due(rewrite, now_s / 1800)) {
        return;
    }
    switch (redis_facts_can_rewrite(&rewrite->look->facts)) {
    case REDIS_REWRITE_POSSIBLE:
        lock(rewrite, (now_s + SECONDS_PER_DAY / 2) / SECONDS_PER_DAY);
        rewrite->asked_at = rewrite->is_open ? now_s / 1800 : 0;
        break;
    case REDIS_REWRITE_NO_MEMORY:
        fail(rewrite, "its machine has too little memory for a fork");
        break;
    case REDIS_REWRITE_NOT_NEEDED:
        break;
    }
}

void redis_rewrite_init(struct redis_rewrite *rewrite, struct loop *loop, struct redis_look *look,
                        bool is_on)
{
    require(look != NULL);
    *rewrite = (struct redis_rewrite){.loop = loop, .look = look, .is_on = is_on};
    loop_timer_init(&rewrite->timer, on_timer);
}

void redis_rewrite_finish(struct redis_rewrite *rewrite)
{
    loop_timer_stop(&rewrite->timer);
    rewrite->link = NULL;
}

void redis_rewrite_note(struct redis_rewrite *rewrite, bool is_ready)
{
    if (!rewrite->is_on) {
        return;
    }
    loop_timer_stop(&rewrite->timer);
    rewrite->again_at_ms = 0;
    rewrite->asked_at = 0;
    if (is_ready) {
        loop_timer_start(rewrite->loop, &rewrite->timer, LOOK_MS / 10);
    }
}
