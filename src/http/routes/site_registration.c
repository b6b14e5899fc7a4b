/* SPDX-License-Identifier: MIT */
#include "http/routes/site_registration.h"

#include "base/alloc.h"
#include "config/config.h"
#include "http/request/app.h"
#include "http/server/connection.h"
#include "http/visit/sites.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

/* limit of open questions in this process; only a hanging store can cause more */
#define OPEN_MAX 20000

/* minimum time limit of a question, if count.max_wait is shorter */
#define LIMIT_MS 50

/* delay before a refused question is repeated */
#define RETRY_MS 50

struct site_registrations {
    struct loop *loop;
    struct store *store;
    struct store_listener listener;
    struct list waiting; /* questions to ask, or to ask again */
    struct loop_timer retry;
    struct trouble trouble;
    size_t open_count;        /* unanswered requests */
    uint64_t changed_lost_ms; /* loop_lost_ms() when the store came or went last */
};

struct site_registration {
    struct list link; /* in `waiting`, or in no list */
    bool is_asked;    /* the store has the question and answers it once */
    struct site_registrations *admits;
    struct request *request; /* NULL if it was answered or is gone; then `admits` may be gone too */
    struct site_registration **guard; /* in the request's pool, which clears `request` through it */
    struct page_ref *page_ref;        /* also in the request's pool */
    site_registration_callback on_admitted;
    struct loop_timer limit;
    char site[STORE_SITE_MAX + 1];
};

/* questions in this process, including those that only the store still refers to */
static size_t alive_count;

/* Life of a question */

static void destroy_unless_asked(struct site_registration *admit)
{
    if (!admit->is_asked) {
        alive_count--;
        free(admit);
    }
}

/** Detaches the request. A question that the store has stays until its answer. */
static struct request *release(struct site_registration *admit)
{
    struct request *request = admit->request;

    loop_timer_stop(&admit->limit);
    list_remove(&admit->link);
    admit->request = NULL;
    *admit->guard = NULL;
    admit->admits->open_count--;
    return request;
}

static void on_request_gone(void *data)
{
    struct site_registration **guard = data;
    struct site_registration *admit = *guard;

    if (admit != NULL) {
        release(admit);
        destroy_unless_asked(admit);
    }
}

/** Answers the request and ends the question. */
static void answer(struct site_registration *admit, enum site_visit_filter visit_filter)
{
    struct page_ref *page_ref = admit->page_ref;
    site_registration_callback on_admitted = admit->on_admitted;
    struct request *request;

    connection_end_wait(admit->request->h2o);
    request = release(admit);
    destroy_unless_asked(admit);
    on_admitted(request, page_ref, visit_filter);
}

static void on_limit(struct loop_timer *timer)
{
    answer(container_of(timer, struct site_registration, limit), SITE_NOT_SERVED);
}

static uint64_t max_wait_ms(const struct request *request)
{
    uint64_t configured_ms = request->app->config->count_max_wait_ms;

    return configured_ms > LIMIT_MS ? configured_ms : LIMIT_MS;
}

/* Asking */

/** Whether the store has been away, or has refused the question, for longer than a visit waits. */
static bool is_hopeless(const struct site_registrations *admits, const struct request *request)
{
    struct store_health health;
    struct trouble_view view;

    store_health(admits->store, &health);
    if (!health.available) {
        /* while the process stood still the store had no chance to come back */
        uint64_t lost_ms = loop_lost_ms(admits->loop) - admits->changed_lost_ms;

        return loop_now_ms(admits->loop) - health.changed_at_ms >= max_wait_ms(request) + lost_ms;
    }
    return trouble_view(&admits->trouble, &view) && view.lasted_ms >= max_wait_ms(request);
}

/** Records the admitted site, under the current configuration. */
static enum site_visit_filter take_in(const struct site_registration *admit)
{
    const struct site_rules *rules =
        sites_admit(admit->request->app->sites, admit->site, strlen(admit->site));

    if (rules == NULL) {
        return SITE_TOO_MANY;
    }
    admit->page_ref->rules = rules;
    return SITE_ADMITTED;
}

/** Queues the question until the store comes back or the retry timer fires. */
static void let_wait(struct site_registration *admit)
{
    struct site_registrations *admits = admit->admits;

    list_append(&admits->waiting, &admit->link);
    if (!loop_timer_is_active(&admits->retry)) {
        loop_timer_start(admits->loop, &admits->retry, RETRY_MS);
    }
}

static void on_admitted(void *data, const struct store_admitted *result)
{
    struct site_registration *admit = data;

    admit->is_asked = false;
    if (admit->request == NULL) {
        destroy_unless_asked(admit);
    } else if (result->outcome == STORE_OK) {
        trouble_end(&admit->admits->trouble);
        answer(admit, result->is_admitted ? take_in(admit) : SITE_TOO_MANY);
    } else {
        trouble_note(&admit->admits->trouble, result->reason);
        if (is_hopeless(admit->admits, admit->request)) {
            answer(admit, SITE_NOT_SERVED);
        } else {
            let_wait(admit);
        }
    }
}

static void ask(struct site_registration *admit)
{
    struct site_registrations *admits = admit->admits;

    admit->is_asked = true;
    store_admit(admits->store, admit->site, sites_open_limit(admit->request->app->sites),
                on_admitted, admit);
}

static void ask_all(struct site_registrations *admits)
{
    struct store_health health;
    struct list *link;

    store_health(admits->store, &health);
    while (health.available && (link = list_take_first(&admits->waiting)) != NULL) {
        ask(container_of(link, struct site_registration, link));
    }
}

static void on_retry(struct loop_timer *timer)
{
    ask_all(container_of(timer, struct site_registrations, retry));
}

static void on_store_change(struct store_listener *listener, bool available)
{
    struct site_registrations *admits = container_of(listener, struct site_registrations, listener);

    (void)available;
    admits->changed_lost_ms = loop_lost_ms(admits->loop);
    ask_all(admits);
}

static struct site_registration *create(struct request *request, const struct page_ref *page_ref,
                                        site_registration_callback callback)
{
    h2o_mem_pool_t *pool = &request->h2o->pool;
    struct site_registration *admit = alloc_zero(1, sizeof(*admit));

    list_init(&admit->link);
    admit->admits = request->app->site_registrations;
    admit->request = request;
    admit->on_admitted = callback;
    admit->page_ref = h2o_mem_alloc_pool(pool, sizeof(*page_ref));
    *admit->page_ref = *page_ref;
    admit->guard = h2o_mem_alloc_shared(pool, sizeof(*admit->guard), on_request_gone);
    *admit->guard = admit;
    strcpy(admit->site, page_ref->site);
    loop_timer_init(&admit->limit, on_limit);
    admit->admits->open_count++;
    alive_count++;
    return admit;
}

void site_registration_start(struct request *request, const struct page_ref *page_ref,
                             site_registration_callback callback)
{
    struct site_registrations *admits = request->app->site_registrations;
    struct site_registration *admit;
    struct store_health health;

    store_health(admits->store, &health);
    if (alive_count >= OPEN_MAX ||
        (is_hopeless(admits, request) && (!health.available || admits->open_count != 0))) {
        callback(request, NULL, SITE_NOT_SERVED);
        return;
    }
    admit = create(request, page_ref, callback);
    loop_timer_start_patience(admits->loop, &admit->limit, max_wait_ms(request));
    if (health.available) {
        ask(admit);
    } else {
        list_append(&admits->waiting, &admit->link);
    }
    connection_begin_wait(request->h2o);
}

/* Listed sites */

/**
 * No request waits for the result. After a failure a later visit tries again. `data` is a copy of
 * the name, which the store reads until now: a reload may have freed the rules.
 */
static void on_listed(void *data, const struct store_admitted *result)
{
    (void)result;
    free(data);
}

void site_registration_listed(struct request *request, const struct site_rules *rules,
                              uint64_t second)
{
    if (sites_is_due(rules, second)) {
        char *name = alloc_text(rules->name);

        store_admit(request->app->store, name, 0, on_listed, name);
    }
}

/* All questions */

struct site_registrations *site_registrations_create(struct loop *loop, struct store *store)
{
    struct site_registrations *admits = alloc_zero(1, sizeof(*admits));

    admits->loop = loop;
    admits->store = store;
    list_init(&admits->waiting);
    loop_timer_init(&admits->retry, on_retry);
    trouble_init(&admits->trouble, loop, store, "sites that are not listed",
                 "visits of those that are new here are refused");
    admits->listener.on_change = on_store_change;
    store_listen(store, &admits->listener);
    return admits;
}

void site_registrations_destroy(struct site_registrations *admits)
{
    if (admits == NULL) {
        return;
    }
    store_unlisten(admits->store, &admits->listener);
    loop_timer_stop(&admits->retry);
    free(admits);
}

const struct trouble *site_registrations_trouble(const struct site_registrations *admits)
{
    return &admits->trouble;
}
