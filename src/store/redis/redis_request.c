/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_request_inside.h"

#include "base/alloc.h"
#include "base/require.h"
#include "store/redis/redis_error.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY  86400

/* --- keys --- */

void redis_request_add_key(struct redis_command *command, const char *site, const char *kind)
{
    char key[REDIS_KEY_MAX];
    char *end = stpcpy(stpcpy(stpcpy(stpcpy(key, "vc:{"), site), "}:"), kind);

    require(site[0] != '\0' && kind[0] != '\0');
    require((size_t)(end - key) < sizeof(key));
    redis_command_add(command, key, (size_t)(end - key));
}

static void format_time(const char *format, uint64_t second, char *ret_text, size_t size)
{
    time_t seconds = (time_t)second;
    struct tm utc = {0};

    gmtime_r(&seconds, &utc);
    strftime(ret_text, size, format, &utc);
}

/* returns the cached name for `time`, which counts steps of `seconds` since 1970 */
static const char *name_time(struct redis_time_name *name, const char *format, uint64_t time,
                             uint64_t seconds)
{
    if (*name->text == '\0' || name->time != time) {
        name->time = time;
        format_time(format, time * seconds, name->text, sizeof(name->text));
    }
    return name->text;
}

void redis_request_add_day_key(struct redis_store *store, const char *site, uint64_t day)
{
    redis_request_add_key(&store->command, site,
                          name_time(&store->day_name, "day:%Y%m%d", day, SECONDS_PER_DAY));
}

void redis_request_add_hour_key(struct redis_store *store, const char *site, uint64_t hour)
{
    redis_request_add_key(&store->command, site,
                          name_time(&store->hour_name, "hour:%Y%m%d%H", hour, SECONDS_PER_HOUR));
}

void redis_request_add_visitors_key(struct redis_store *store, const char *site, uint64_t day,
                                    const char *page, size_t page_length)
{
    const char *kind = name_time(&store->visitors_name, "uv:%Y%m%d:", day, SECONDS_PER_DAY);
    char key[REDIS_KEY_MAX + STORE_PAGE_MAX];
    char *end = stpcpy(stpcpy(stpcpy(stpcpy(key, "vc:{"), site), "}:"), kind);

    require(page_length <= STORE_PAGE_MAX);
    end = mempcpy(end, page, page_length);
    redis_command_add(&store->command, key, (size_t)(end - key));
}

void redis_request_add_salt_key(struct redis_command *command, uint64_t day)
{
    char key[32];

    format_time(REDIS_SALT_KEY, day * SECONDS_PER_DAY, key, sizeof(key));
    redis_command_add_text(command, key);
}

void redis_request_add_channel(struct redis_command *command, const char *site)
{
    char channel[REDIS_KEY_MAX];
    char *end = stpcpy(stpcpy(stpcpy(channel, REDIS_LIVE), site), "}");

    redis_command_add(command, channel, (size_t)(end - channel));
}

/* --- requests --- */

void redis_request_init(struct redis_request *request, struct store *store, void *data,
                        redis_on_reply on_reply)
{
    require(on_reply != NULL && !request->was_sent);
    request->call.on_reply = on_reply;
    request->store = container_of(store, struct redis_store, store);
    request->data = data;
}

struct redis_request *redis_request_create(struct store *store, void *data, redis_on_reply on_reply)
{
    struct redis_request *request = alloc_zero(1, sizeof(*request));

    require(on_reply != NULL);
    redis_request_init(request, store, data, on_reply);
    return request;
}

void redis_store_list_begin(struct redis_store *store)
{
    buf_clear(&store->list);
}

void redis_store_list_put(struct redis_store *store, uint64_t number)
{
    require(store->command.count != 0);
    buf_put_u64(&store->list, number);
    buf_putc(&store->list, ' ');
}

void redis_store_list_add(struct redis_store *store)
{
    redis_command_add(&store->command, store->list.bytes, store->list.length);
}

void redis_request_send(struct redis_request *request)
{
    struct redis_store *store = request->store;
    int error = -ENOTCONN;

    require(request->call.on_reply != NULL);
    if (store->link != NULL) {
        error = redis_link_send(store->link, &request->call, &store->command);
    }
    request->was_sent = error == 0;
    if (error != 0) {
        list_append(&store->unsent, &request->call.link);
        loop_task_schedule(store->loop, &store->refuse);
    }
}

void redis_request_refuse_unsent(struct redis_store *store)
{
    struct list unsent;
    struct list *link;

    list_init(&unsent);
    list_move_all(&unsent, &store->unsent);
    while ((link = list_pop_first(&unsent)) != NULL) {
        struct redis_request *request = container_of(link, struct redis_request, call.link);

        request->call.on_reply(&request->call, NULL, "the store is not connected");
    }
}

enum store_outcome redis_request_failure(struct redis_request *request, const redisReply *reply,
                                         const char *reason, const char **ret_reason)
{
    if (reply == NULL) {
        *ret_reason = reason;
        return request->was_sent ? STORE_UNKNOWN : STORE_REFUSED;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        *ret_reason = "a reply that is not understood";
        return STORE_UNKNOWN;
    }
    *ret_reason = reply->str;
    if (redis_error_is_full(reply->str)) {
        redis_window_note_full(&request->store->window);
    }
    /* the master was demoted: the name may already resolve to the new one */
    if (redis_request_starts_with(reply->str, "READONLY") ||
        redis_request_starts_with(reply->str, "MASTERDOWN") ||
        redis_request_starts_with(reply->str, "NOAUTH")) {
        redis_link_reset(request->store->link, reply->str);
    }
    return STORE_REFUSED;
}

enum store_scope redis_request_scope(const redisReply *reply)
{
    if (reply == NULL) {
        return STORE_SCOPE_SERVER;
    }
    return reply->type == REDIS_REPLY_ERROR ? redis_error_scope(reply->str) : STORE_SCOPE_SITE;
}

/* --- replies --- */

bool redis_request_starts_with(const char *text, const char *prefix)
{
    require(prefix[0] != '\0');
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

const char *redis_request_parse_number(const char *text, uint64_t *ret_number)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return NULL;
    }
    *ret_number = strtoull(text, &end, 10);
    /* a number that is too large must not look like STORE_NONE */
    return *ret_number != STORE_NONE ? end : NULL;
}

const char *redis_request_parse_numbers(const char *text, uint64_t *ret_numbers, size_t count)
{
    require(count != 0);
    for (size_t i = 0; i < count; i++) {
        if (*text != ' ') {
            return NULL;
        }
        if (text[1] == '-') {
            ret_numbers[i] = STORE_NONE;
            text += 2;
            continue;
        }
        text = redis_request_parse_number(text + 1, &ret_numbers[i]);
        if (text == NULL) {
            return NULL;
        }
    }
    return text;
}

const char *redis_request_text_of(const redisReply *reply)
{
    bool is_text = reply != NULL && reply->type == REDIS_REPLY_STRING &&
                   strlen(reply->str) == (size_t)reply->len;

    return is_text ? reply->str : "";
}

bool redis_verdict_parse(const char *text, struct redis_verdict *ret_verdict)
{
    struct redis_verdict verdict = {0};

    if (redis_request_starts_with(text, "TORN ")) {
        verdict.is_torn = true;
        snprintf(verdict.reason, sizeof(verdict.reason),
                 "the keys of the site contradict each other: %.120s", text + 5);
    } else if (redis_request_starts_with(text, "OUTDATED")) {
        text = redis_request_parse_numbers(text + 8, &verdict.generation, 1);
        if (text == NULL || *text != '\0' || verdict.generation > STORE_GENERATION_MAX) {
            return false;
        }
        verdict.is_outdated = true;
        snprintf(verdict.reason, sizeof(verdict.reason),
                 "the site was repaired, and is of generation %llu now",
                 (unsigned long long)verdict.generation);
    } else {
        return false;
    }
    *ret_verdict = verdict;
    return true;
}
