/* SPDX-License-Identifier: MIT */
#include "http/visit/fullness.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "store/store_call.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* visits that make several new pages cause one question */
#define ASK_MS 3000

/* how long after a failure the question is repeated, unless the store comes back sooner */
#define RETRY_MS 10000

#define REFRESH_MS 60000

/** A count with its limit: the pages of a site, or the sites. */
struct level {
    struct map_node node; /* of a site, in `levels` */
    struct list link;     /* in `to_ask` or `asking`, or in no list */
    uint64_t count;
    uint64_t max; /* 0: there is no limit */
    bool is_nearly_full;
    char site[STORE_SITE_MAX + 1]; /* "": the sites */
};

struct fullness {
    struct loop *loop;
    struct store *store;
    const struct sites *sites;
    struct store_listener listener;
    struct map levels;
    struct level of_sites;
    struct list to_ask; /* after the next pause */
    struct list asking; /* now, one after the other */
    struct loop_timer ask;
    struct loop_timer refresh;
    struct question *question; /* under way, or NULL */
};

/** A call to the store, which may outlive the fullness. */
struct question {
    struct store_call call;
    char site[STORE_SITE_MAX + 1];
};

/* Levels */

static bool is_nearly_full(const struct level *level)
{
    return level->max != 0 &&
           level->count >= level->max - level->max * (100 - FULLNESS_WARN_PERCENT) / 100;
}

static uint64_t find_max(const struct fullness *fullness, const struct level *level)
{
    const struct site_rules *rules = sites_open_rules(fullness->sites);

    if (level->site[0] == '\0') {
        return rules != NULL ? sites_open_limit(fullness->sites) : 0;
    }
    if (sites_find(fullness->sites, level->site, strlen(level->site)) != NULL) {
        rules = sites_find(fullness->sites, level->site, strlen(level->site));
    }
    return rules != NULL ? rules->pages_max : 0;
}

static void warn(const struct level *level)
{
    if (level->site[0] == '\0') {
        log_warning("limits.sites: %" PRIu64 " of %" PRIu64
                    " sites are taken; when all are, visits "
                    "of new ones are refused; raise limits.sites, or list the sites that count",
                    level->count, level->max);
    } else {
        log_warning("limits.pages: site %s has %" PRIu64 " of %" PRIu64 " pages; when it has all, "
                    "visits of new ones are refused; raise the limit, or say by page_rules which "
                    "pages count",
                    level->site, level->count, level->max);
    }
}

static void set(struct fullness *fullness, struct level *level, uint64_t count)
{
    bool was_nearly_full = level->is_nearly_full;

    level->count = count;
    level->max = find_max(fullness, level);
    level->is_nearly_full = is_nearly_full(level);
    if (level->is_nearly_full && !was_nearly_full) {
        warn(level);
    }
}

static struct level *find_or_create_level(struct fullness *fullness, const char *site)
{
    size_t length = strlen(site);
    struct map_node *node = length != 0 ? map_find(&fullness->levels, site, length) : NULL;
    struct level *level;

    if (length == 0) {
        return &fullness->of_sites;
    }
    if (node != NULL) {
        return container_of(node, struct level, node);
    }
    level = alloc_zero(1, sizeof(*level));
    list_init(&level->link);
    memcpy(level->site, site, length);
    map_insert(&fullness->levels, &level->node, level->site, length);
    return level;
}

/* Asking */

static bool is_asking(const struct fullness *fullness)
{
    return fullness->question != NULL || !list_is_empty(&fullness->asking);
}

static void let_ask(struct fullness *fullness, struct level *level)
{
    if (list_is_empty(&level->link)) {
        list_append(&fullness->to_ask, &level->link);
    }
    if (!is_asking(fullness) && !loop_timer_is_active(&fullness->ask)) {
        loop_timer_start(fullness->loop, &fullness->ask, ASK_MS);
    }
}

static void move_all(struct list *from, struct list *to)
{
    struct list *link;

    while ((link = list_pop_first(from)) != NULL) {
        list_append(to, link);
    }
}

static void ask_next(struct fullness *fullness);

/* the store did not answer: asks all again later */
static void put_off(struct fullness *fullness, struct level *level)
{
    if (list_is_empty(&level->link)) {
        list_append(&fullness->asking, &level->link);
    }
    move_all(&fullness->asking, &fullness->to_ask);
    loop_timer_start(fullness->loop, &fullness->ask, RETRY_MS);
}

static void on_counted(void *data, const struct store_counted *counted)
{
    struct question *question = data;
    struct fullness *fullness = store_call_owner(&question->call);
    struct level *level;

    if (fullness == NULL) {
        store_call_end(&question->call);
        return;
    }
    level = find_or_create_level(fullness, question->site);
    fullness->question = NULL;
    store_call_end(&question->call);
    store_call_release(&question->call);
    if (counted->outcome == STORE_OK) {
        set(fullness, level, counted->count);
        ask_next(fullness);
    } else {
        put_off(fullness, level);
    }
}

static void ask_next(struct fullness *fullness)
{
    struct list *link = list_pop_first(&fullness->asking);
    const struct level *level;

    if (link == NULL) {
        if (!list_is_empty(&fullness->to_ask)) {
            loop_timer_start(fullness->loop, &fullness->ask, ASK_MS);
        }
        return;
    }
    level = container_of(link, const struct level, link);
    fullness->question = store_call_create(sizeof(*fullness->question), fullness);
    strcpy(fullness->question->site, level->site);
    store_call_begin(&fullness->question->call);
    store_count(fullness->store, fullness->question->site, on_counted, fullness->question);
}

static void on_ask(struct loop_timer *timer)
{
    struct fullness *fullness = container_of(timer, struct fullness, ask);

    move_all(&fullness->to_ask, &fullness->asking);
    ask_next(fullness);
}

static void on_store_change(struct store_listener *listener, bool available)
{
    struct fullness *fullness = container_of(listener, struct fullness, listener);

    if (available && !is_asking(fullness) && !list_is_empty(&fullness->to_ask)) {
        loop_timer_start(fullness->loop, &fullness->ask, 0);
    }
}

static void on_refresh(struct loop_timer *timer)
{
    struct fullness *fullness = container_of(timer, struct fullness, refresh);

    map_for_each(node, &fullness->levels) {
        struct level *level = container_of(node, struct level, node);

        if (level->is_nearly_full) {
            let_ask(fullness, level);
        }
    }
    if (fullness->of_sites.is_nearly_full) {
        let_ask(fullness, &fullness->of_sites);
    }
    loop_timer_start(fullness->loop, timer, REFRESH_MS);
}

static void ask_of_rules(void *data, const struct site_rules *rules)
{
    struct fullness *fullness = data;

    if (rules->name_length != 0) { /* not the rules of unlisted sites */
        let_ask(fullness, find_or_create_level(fullness, rules->name));
    }
}

static void ask_of_all(struct fullness *fullness)
{
    sites_for_each(fullness->sites, ask_of_rules, fullness);
    map_for_each(node, &fullness->levels) {
        let_ask(fullness, container_of(node, struct level, node));
    }
    let_ask(fullness, &fullness->of_sites);
}

void fullness_note_page(struct fullness *fullness, const char *site)
{
    let_ask(fullness, find_or_create_level(fullness, site));
}

void fullness_note_site(struct fullness *fullness)
{
    let_ask(fullness, &fullness->of_sites);
}

/* Looking */

/* whether `one` is fuller than `other`, which may be NULL */
static bool is_fuller(const struct level *one, const struct level *other)
{
    return other == NULL ||
           (double)one->count / (double)one->max > (double)other->count / (double)other->max;
}

void fullness_view(const struct fullness *fullness, struct fullness_view *ret_view)
{
    const struct level *fullest = NULL;

    *ret_view = (struct fullness_view){
        .sites = fullness->of_sites.count,
        .sites_max = fullness->of_sites.max,
    };
    map_for_each(node, &fullness->levels) {
        const struct level *level = container_of(node, const struct level, node);

        ret_view->nearly_full_count += level->is_nearly_full;
        if (level->max != 0 && is_fuller(level, fullest)) {
            fullest = level;
        }
    }
    if (fullest != NULL) {
        ret_view->fullest_site = fullest->site;
        ret_view->fullest_pages = fullest->count;
        ret_view->fullest_pages_max = fullest->max;
    }
}

void fullness_list(const struct fullness *fullness, void (*on_site)(void *data, const char *site),
                   void *data)
{
    map_for_each(node, &fullness->levels) {
        const struct level *level = container_of(node, const struct level, node);

        if (level->is_nearly_full) {
            on_site(data, level->site);
        }
    }
}

/* Life */

struct fullness *fullness_create(struct loop *loop, struct store *store, const struct sites *sites)
{
    struct fullness *fullness = alloc_zero(1, sizeof(*fullness));

    fullness->loop = loop;
    fullness->store = store;
    fullness->sites = sites;
    map_init(&fullness->levels);
    list_init(&fullness->of_sites.link);
    list_init(&fullness->to_ask);
    list_init(&fullness->asking);
    loop_timer_init(&fullness->ask, on_ask);
    loop_timer_init(&fullness->refresh, on_refresh);
    fullness->listener.on_change = on_store_change;
    store_listen(store, &fullness->listener);
    loop_timer_start(loop, &fullness->refresh, REFRESH_MS);
    ask_of_all(fullness);
    return fullness;
}

void fullness_configure(struct fullness *fullness, const struct sites *sites)
{
    fullness->sites = sites;
    ask_of_all(fullness);
}

void fullness_destroy(struct fullness *fullness)
{
    if (fullness == NULL) {
        return;
    }
    loop_timer_stop(&fullness->ask);
    loop_timer_stop(&fullness->refresh);
    store_unlisten(fullness->store, &fullness->listener);
    if (fullness->question != NULL) {
        store_call_release(&fullness->question->call);
    }
    map_for_each(node, &fullness->levels) {
        map_remove(&fullness->levels, node);
        free(container_of(node, struct level, node));
    }
    map_finish(&fullness->levels);
    free(fullness);
}
