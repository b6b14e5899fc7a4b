/* SPDX-License-Identifier: MIT */
#include "http/routes/live.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/config.h"
#include "http/routes/access.h"
#include "http/request/app.h"
#include "http/routes/live_client.h"
#include "http/request/http_error.h"
#include "http/request/response.h"
#include "http/visit/network.h"
#include "http/visit/page_ref.h"
#include "store/store_call.h"

#include <stdlib.h>
#include <string.h>

#define EVENT_INTERVAL_MS 100   /* at most ten events a second */
#define COMMENT_AFTER_MS  15000 /* silence before a comment is sent */
#define COMMENT_STEP_MS   1000
#define READ_AGAIN_MS     1000 /* delay after a failed read */

/* clients served per turn of the loop, so that visits do not wait for thousands of them */
#define SLICE 128

struct live {
    struct loop *loop;
    struct store *store;
    struct map topics;
    struct list clients; /* ordered by their last message, oldest first */
    size_t client_count;
    struct map networks; /* those with clients */
    bool is_draining;
    struct loop_timer comment_step;
    struct live_message *comment;
};

/** A page or a site with at least one client. */
struct topic {
    struct live *live;
    struct map_node node; /* keyed by site, "\n", page */
    struct list clients;
    size_t client_count;
    size_t to_tell; /* clients at the head of the list that this round has not served yet */
    bool is_known;
    uint64_t count;
    struct live_message *message; /* the event with `count`; NULL until a client needs it */
    uint64_t told_at_ms;          /* start of the last round */
    struct loop_timer next_round;
    struct loop_timer read_again;
    struct loop_task round;
    struct read_call *reading; /* open read of `count`; NULL: none */
    size_t page_length;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
    char key[STORE_SITE_MAX + STORE_PAGE_MAX + 2];
};

/** A network with at least one client. */
struct network_clients {
    struct map_node node; /* keyed by `hash` */
    uint64_t hash;
    size_t count;
};

struct listener_client {
    struct live_client super;
    struct live *live;
    struct topic *topic;
    struct networks networks;
};

/** A read of a topic's number. The topic owns it. */
struct read_call {
    struct store_call call;
    struct store_query query;
    struct store_entry entry;
    char site[STORE_SITE_MAX + 1];
    char page[STORE_PAGE_MAX + 1];
};

/* Telling clients */

static struct live_message *make_event(const struct topic *topic)
{
    struct live_message *message;
    struct buf body = BUF_EMPTY;

    buf_puts(&body, "id: ");
    buf_put_u64(&body, topic->count);
    buf_puts(&body, "\ndata: {\"page\":");
    buf_put_json(&body, topic->page, topic->page_length);
    buf_puts(&body, ",\"count\":");
    buf_put_u64(&body, topic->count);
    buf_puts(&body, "}\n\n");
    message = live_message_create(&body);
    buf_finish(&body);
    return message;
}

static void send_message(struct listener_client *client, struct live_message *message)
{
    list_remove(&client->super.by_age);
    list_append(&client->live->clients, &client->super.by_age);
    client->super.sent_at_ms = loop_now_ms(client->live->loop);
    live_client_send(&client->super, message);
}

static void tell(struct topic *topic, struct listener_client *client)
{
    if (!topic->is_known || client->super.told == topic->count || client->super.message != NULL) {
        return; /* a client with a message being written is served when it is ready */
    }
    if (topic->message == NULL) {
        topic->message = make_event(topic);
    }
    client->super.told = topic->count;
    send_message(client, topic->message);
}

/** Serves the next SLICE clients of the round. Served clients move to the end of the list. */
static void on_round(struct loop_task *task)
{
    struct topic *topic = container_of(task, struct topic, round);

    for (int i = 0; i < SLICE && topic->to_tell != 0; i++) {
        struct list *link = list_pop_first(&topic->clients);

        list_append(&topic->clients, link);
        topic->to_tell--;
        tell(topic, container_of(link, struct listener_client, super.of_topic));
    }
    if (topic->to_tell != 0) {
        loop_task_schedule(topic->live->loop, &topic->round);
    }
}

static void begin_round(struct topic *topic)
{
    topic->told_at_ms = loop_now_ms(topic->live->loop);
    topic->to_tell = topic->client_count;
    loop_task_schedule(topic->live->loop, &topic->round);
}

static void on_next_round(struct loop_timer *timer)
{
    begin_round(container_of(timer, struct topic, next_round));
}

/** Begins a round as soon as EVENT_INTERVAL_MS has passed since the last one. */
static void want_round(struct topic *topic)
{
    uint64_t next_ms = topic->told_at_ms + EVENT_INTERVAL_MS;
    uint64_t now_ms = loop_now_ms(topic->live->loop);

    if (loop_timer_is_active(&topic->next_round)) {
        return;
    }
    if (now_ms >= next_ms) {
        begin_round(topic);
    } else {
        loop_timer_start(topic->live->loop, &topic->next_round, next_ms - now_ms);
    }
}

static void set_count(struct topic *topic, uint64_t count)
{
    if (topic->is_known && topic->count == count) {
        return;
    }
    topic->is_known = true;
    topic->count = count;
    live_message_release(topic->message);
    topic->message = NULL;
    want_round(topic);
}

/* Numbers from the store */

static void cancel_read(struct topic *topic)
{
    if (topic->reading != NULL) {
        store_call_release(&topic->reading->call);
        topic->reading = NULL;
    }
}

static void on_read(void *data, const struct store_read *read)
{
    struct read_call *call = data;
    struct topic *topic = store_call_end(&call->call);

    if (topic == NULL) {
        return;
    }
    cancel_read(topic);
    if (read->outcome == STORE_OK) {
        set_count(topic, read->numbers[0]);
    } else {
        loop_timer_start(topic->live->loop, &topic->read_again, READ_AGAIN_MS);
    }
}

static void read_count(struct topic *topic)
{
    struct read_call *call = store_call_create(sizeof(*call), topic);

    cancel_read(topic);
    topic->reading = call;
    memcpy(call->site, topic->site, sizeof(call->site));
    memcpy(call->page, topic->page, topic->page_length + 1);
    call->entry = (struct store_entry){.page = call->page, .page_length = topic->page_length};
    call->query = (struct store_query){
        .site = call->site, .pages = &call->entry, .page_count = 1, .kind = STORE_TOTALS};
    store_call_begin(&call->call);
    store_read(topic->live->store, &call->query, on_read, call);
}

static void on_read_again(struct loop_timer *timer)
{
    read_count(container_of(timer, struct topic, read_again));
}

static size_t make_key(char *key, const char *site, const char *page, size_t page_length)
{
    size_t site_length = strlen(site);

    memcpy(key, site, site_length);
    key[site_length] = '\n'; /* which occurs in neither of them */
    memcpy(key + site_length + 1, page, page_length);
    return site_length + 1 + page_length;
}

static struct topic *find_topic(struct live *live, const char *site, const char *page,
                                size_t page_length)
{
    char key[sizeof(((struct topic *)NULL)->key)];
    size_t length = make_key(key, site, page, page_length);
    struct map_node *node = map_find(&live->topics, key, length);

    return node != NULL ? container_of(node, struct topic, node) : NULL;
}

/** Reads the numbers of all topics again, because events may have been missed. */
static void read_all_again(struct live *live, const char *site)
{
    map_for_each(node, &live->topics) {
        struct topic *topic = container_of(node, struct topic, node);

        if (strcmp(topic->site, site) == 0) {
            read_count(topic);
        }
    }
}

static void on_visits(void *data, const char *site, const struct store_page *page)
{
    struct live *live = data;
    struct topic *topic;

    if (page == NULL) {
        read_all_again(live, site);
        return;
    }
    topic = find_topic(live, site, page->page, page->page_length);
    if (topic != NULL) {
        cancel_read(topic); /* discards a pending read, which may return an older number */
        set_count(topic, page->total);
    }
}

/* Topics */

static struct topic *open_topic(struct live *live, const struct page_ref *page_ref)
{
    const char *page = page_ref->is_site ? "" : page_ref->page.bytes;
    size_t page_length = page_ref->is_site ? 0 : page_ref->page.length;
    struct topic *topic = find_topic(live, page_ref->site, page, page_length);

    if (topic != NULL) {
        return topic;
    }
    topic = alloc_zero(1, sizeof(*topic));
    topic->live = live;
    list_init(&topic->clients);
    loop_timer_init(&topic->next_round, on_next_round);
    loop_timer_init(&topic->read_again, on_read_again);
    loop_task_init(&topic->round, on_round);
    strcpy(topic->site, page_ref->site);
    memcpy(topic->page, page, page_length);
    topic->page_length = page_length;
    map_insert(&live->topics, &topic->node, topic->key,
               make_key(topic->key, topic->site, page, page_length));
    store_watch(live->store, topic->site);
    read_count(topic);
    return topic;
}

static void close_topic(struct topic *topic)
{
    struct live *live = topic->live;

    cancel_read(topic);
    loop_timer_stop(&topic->next_round);
    loop_timer_stop(&topic->read_again);
    loop_task_cancel(&topic->round);
    live_message_release(topic->message);
    map_remove(&live->topics, &topic->node);
    store_unwatch(live->store, topic->site);
    free(topic);
}

/* Networks */

static struct network_clients *find_network(const struct live *live, uint64_t hash)
{
    struct map_node *node = map_find(&live->networks, (const char *)&hash, sizeof(hash));

    return node != NULL ? container_of(node, struct network_clients, node) : NULL;
}

/** Whether a client of these networks may listen, besides those that do. */
static bool have_room(const struct live *live, const struct networks *networks, uint64_t max)
{
    for (size_t i = 0; max != 0 && i < networks->count; i++) {
        const struct network_clients *network = find_network(live, networks->hashes[i]);

        if (network != NULL && network->count >= max * (i == 0 ? 1 : NETWORK_WIDE_FACTOR)) {
            return false;
        }
    }
    return true;
}

static void enter_networks(struct live *live, const struct networks *networks)
{
    for (size_t i = 0; i < networks->count; i++) {
        struct network_clients *network = find_network(live, networks->hashes[i]);

        if (network == NULL) {
            network = alloc_zero(1, sizeof(*network));
            network->hash = networks->hashes[i];
            map_insert(&live->networks, &network->node, (const char *)&network->hash,
                       sizeof(network->hash));
        }
        network->count++;
    }
}

static void leave_networks(struct live *live, const struct networks *networks)
{
    for (size_t i = 0; i < networks->count; i++) {
        struct network_clients *network = find_network(live, networks->hashes[i]);

        if (--network->count == 0) {
            map_remove(&live->networks, &network->node);
            free(network);
        }
    }
}

/* Clients */

static void on_client_ready(struct live_client *super)
{
    struct listener_client *client = container_of(super, struct listener_client, super);

    if (client->topic->is_known && super->told != client->topic->count) {
        want_round(client->topic);
    }
}

static void on_client_gone(struct live_client *super)
{
    struct listener_client *client = container_of(super, struct listener_client, super);
    struct topic *topic = client->topic;

    list_remove(&super->of_topic);
    list_remove(&super->by_age);
    client->live->client_count--;
    leave_networks(client->live, &client->networks);
    if (--topic->client_count == 0) {
        close_topic(topic);
    } else if (topic->to_tell > topic->client_count) {
        topic->to_tell = topic->client_count;
    }
}

/**
 * Sends the first message: the delay before a reconnect. It varies by client, so that they do not
 * all reconnect at once.
 */
static void send_opening(struct listener_client *client)
{
    struct live_message *message;
    struct buf body = BUF_EMPTY;

    buf_printf(&body, "retry: %u\n\n", 1000 + (unsigned)(client->live->client_count * 37 % 4000));
    message = live_message_create(&body);
    send_message(client, message);
    live_message_release(message);
    buf_finish(&body);
}

static uint64_t parse_last_id(h2o_iovec_t header)
{
    size_t id = h2o_strtosize(header.base, header.len); /* SIZE_MAX if it is not a number */

    return header.len != 0 ? id : UINT64_MAX;
}

static void join(struct live *live, struct request *request, const struct page_ref *page_ref,
                 const struct networks *networks)
{
    struct listener_client *client = h2o_mem_alloc_pool(&request->h2o->pool, sizeof(*client));
    struct topic *topic = open_topic(live, page_ref);

    *client = (struct listener_client){.live = live, .topic = topic, .networks = *networks};
    enter_networks(live, networks);
    client->super.on_ready = on_client_ready;
    client->super.on_gone = on_client_gone;
    client->super.told = parse_last_id(request_header_named(request, "last-event-id"));
    list_init(&client->super.by_age);
    list_append(&topic->clients, &client->super.of_topic);
    topic->client_count++;
    live->client_count++;
    if (!loop_timer_is_active(&live->comment_step)) {
        loop_timer_start(live->loop, &live->comment_step, COMMENT_STEP_MS);
    }
    live_client_start(&client->super, request);
    send_opening(client);
}

void live_handle(struct request *request)
{
    struct live *live = request->app->live;
    const struct config *config = request->app->config;
    struct page_ref page_ref;
    struct networks networks;
    struct client client;

    if (!page_ref_parse(request, &page_ref) ||
        (page_ref.is_site && !access_check(request, page_ref.rules))) {
        return;
    }
    client_read(request, &client);
    networks_of(&client, &networks);
    if (live->is_draining) {
        http_error_respond(request, HTTP_ERROR_SHUTTING_DOWN, "this server ends");
    } else if (live->client_count >= config->limits_live) {
        http_error_respond(request, HTTP_ERROR_TOO_MANY_LISTENERS,
                           "as many clients listen as limits.live allows");
    } else if (!have_room(live, &networks, config->limits_live_per_network)) {
        http_error_respond(
            request, HTTP_ERROR_TOO_MANY_LISTENERS,
            "as many clients of this network listen as limits.live_per_network allows");
    } else if (request->is_head) {
        response_send(
            request,
            &(struct response){.status = 200, .content_type = "text/event-stream; charset=utf-8"});
    } else {
        join(live, request, &page_ref, &networks);
    }
}

/* All streams */

static void on_comment_step(struct loop_timer *timer)
{
    struct live *live = container_of(timer, struct live, comment_step);
    uint64_t now_ms = loop_now_ms(live->loop);

    for (struct list *link = live->clients.next; link != &live->clients;) {
        struct listener_client *client = container_of(link, struct listener_client, super.by_age);

        link = link->next;
        if (client->super.sent_at_ms + COMMENT_AFTER_MS > now_ms) {
            break;
        }
        if (client->super.message == NULL) {
            send_message(client, live->comment);
        }
    }
    if (live->client_count != 0) {
        loop_timer_start(live->loop, timer, COMMENT_STEP_MS);
    }
}

struct live *live_create(struct loop *loop, struct store *store)
{
    struct live *live = alloc_zero(1, sizeof(*live));
    struct buf comment = BUF_EMPTY;

    live->loop = loop;
    live->store = store;
    map_init(&live->topics);
    map_init(&live->networks);
    list_init(&live->clients);
    loop_timer_init(&live->comment_step, on_comment_step);
    buf_puts(&comment, ":\n\n");
    live->comment = live_message_create(&comment);
    buf_finish(&comment);
    store_listen_visits(store, on_visits, live);
    return live;
}

void live_drain(struct live *live)
{
    live->is_draining = true;
    while (!list_is_empty(&live->clients)) {
        live_client_end(
            &container_of(live->clients.next, struct listener_client, super.by_age)->super);
    }
}

void live_destroy(struct live *live)
{
    if (live == NULL) {
        return;
    }
    live_drain(live);
    loop_timer_stop(&live->comment_step);
    store_listen_visits(live->store, NULL, NULL);
    live_message_release(live->comment);
    map_finish(&live->topics);
    map_finish(&live->networks);
    free(live);
}

size_t live_client_count(const struct live *live)
{
    return live->client_count;
}
