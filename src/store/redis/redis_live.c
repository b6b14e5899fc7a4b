/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_live.h"

#include "base/require.h"

#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"
#include "store/watchlist.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_live {
    struct loop *loop;
    struct store *store;
    struct redis_link_options options;
    void (*on_denied)(void *data); /* from the options */
    void *on_denied_data;
    struct redis_link *link; /* NULL while nothing is watched */
    struct loop_task close;  /* closes the link outside of its callbacks */
    struct watchlist watched;
    char client_name[112];
};

static void post(struct redis_live *live, const char *name, const char *site)
{
    struct redis_command command = REDIS_COMMAND_EMPTY;

    redis_command_begin(&command, name);
    redis_request_add_channel(&command, site);
    redis_link_post(live->link, &command);
    redis_command_finish(&command);
}

/* --- messages --- */

static void subscribe(void *data, const char *site)
{
    post(data, "SUBSCRIBE", site);
}

static void on_change(void *data, bool ready)
{
    struct redis_live *live = data;

    if (ready) {
        watchlist_for_each(&live->watched, subscribe, live);
    }
}

static void on_denied(void *data)
{
    struct redis_live *live = data;

    if (live->on_denied != NULL) {
        live->on_denied(live->on_denied_data);
    }
}

/* reads the site of a channel; returns false if it is not watched (any more) */
static bool parse_site(const struct redis_live *live, const redisReply *channel,
                       char ret_site[STORE_SITE_MAX + 1])
{
    size_t prefix = strlen(REDIS_LIVE);
    size_t length = (size_t)channel->len;

    if (channel->type != REDIS_REPLY_STRING || length <= prefix + 1 ||
        length > prefix + 1 + STORE_SITE_MAX ||
        !redis_request_starts_with(channel->str, REDIS_LIVE)) {
        return false;
    }
    memcpy(ret_site, channel->str + prefix, length - prefix - 1);
    ret_site[length - prefix - 1] = '\0';
    return watchlist_has(&live->watched, ret_site);
}

/* reports a line "TOTAL PAGE" */
static void tell_line(struct redis_live *live, const char *site, const char *line, size_t length)
{
    char page[STORE_PAGE_MAX + 1];
    char *end;
    struct store_page visited = {.page = page, .total = strtoull(line, &end, 10)};
    size_t before = (size_t)(end - line) + 1;

    if (end == line || *end != ' ' || before > length || length - before > STORE_PAGE_MAX) {
        return; /* not published by our scripts */
    }
    visited.page_length = length - before;
    memcpy(page, end + 1, visited.page_length);
    page[visited.page_length] = '\0';
    store_notify_visits(live->store, site, &visited);
}

static void tell_message(struct redis_live *live, const char *site, const redisReply *message)
{
    const char *line = message->str;
    const char *end;

    if (message->type != REDIS_REPLY_STRING) {
        return;
    }
    /* the listener may unwatch the site */
    while ((end = strchr(line, '\n')) != NULL && watchlist_has(&live->watched, site)) {
        tell_line(live, site, line, (size_t)(end - line));
        line = end + 1;
    }
}

static void on_message(void *data, const redisReply *reply)
{
    struct redis_live *live = data;
    char site[STORE_SITE_MAX + 1];

    if (reply->elements != 3 || !parse_site(live, reply->element[1], site)) {
        return;
    }
    if (strcmp(reply->element[0]->str, "message") == 0) {
        tell_message(live, site, reply->element[2]);
    } else if (strcmp(reply->element[0]->str, "subscribe") == 0) {
        store_notify_visits(live->store, site, NULL);
    }
}

/* --- watching --- */

static void on_close(struct loop_task *task)
{
    struct redis_live *live = container_of(task, struct redis_live, close);

    if (watchlist_is_empty(&live->watched)) {
        redis_link_destroy(live->link);
        live->link = NULL;
    }
}

void redis_live_watch(struct redis_live *live, const char *site)
{
    require(site[0] != '\0');
    if (!watchlist_add(&live->watched, site)) {
        return;
    }
    if (live->link == NULL) {
        live->link = redis_link_create(live->loop, &live->options);
    } else if (redis_link_is_ready(live->link)) {
        post(live, "SUBSCRIBE", site);
    }
}

void redis_live_unwatch(struct redis_live *live, const char *site)
{
    require(site[0] != '\0');
    if (!watchlist_remove(&live->watched, site)) {
        return;
    }
    if (redis_link_is_ready(live->link)) {
        post(live, "UNSUBSCRIBE", site);
    }
    if (watchlist_is_empty(&live->watched)) {
        loop_task_schedule(live->loop, &live->close);
    }
}

void redis_live_set_credentials(struct redis_live *live, const char *username, const char *password)
{
    live->options.username = username;
    live->options.password = password;
    if (live->link != NULL) {
        redis_link_set_credentials(live->link, username, password);
    }
}

struct redis_live *redis_live_create(struct loop *loop, struct store *store,
                                     const struct redis_link_options *options)
{
    struct redis_live *live = alloc_zero(1, sizeof(*live));

    require(store != NULL);
    live->loop = loop;
    live->store = store;
    live->options = *options;
    snprintf(live->client_name, sizeof(live->client_name), "%s-live", options->client_name);
    live->options.client_name = live->client_name;
    live->options.script = NULL;
    live->on_denied = options->on_denied;
    live->on_denied_data = options->data;
    live->options.on_denied = on_denied;
    live->options.on_change = on_change;
    live->options.on_message = on_message;
    live->options.data = live;
    watchlist_init(&live->watched);
    loop_task_init(&live->close, on_close);
    return live;
}

void redis_live_destroy(struct redis_live *live)
{
    if (live == NULL) {
        return;
    }
    redis_link_destroy(live->link);
    loop_task_cancel(&live->close);
    watchlist_finish(&live->watched);
    free(live);
}
