/* SPDX-License-Identifier: MIT */
#include "http/routes/site_registration.h"

#include "base/alloc.h"
#include "config/config.h"
#include "http/request/app.h"
#include "http/request/pending_query.h"
#include "http/visit/sites.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

/* minimum time limit of a registration, if count.max_wait is shorter */
#define LIMIT_MS 50

/* delay before a refused registration is repeated */
#define RETRY_MS 50

struct site_registrations {
    struct loop *loop;
    struct store *store;
    struct store_listener listener;
    struct list waiting; /* those to ask the store, or to ask it again */
    struct loop_timer retry;
    struct trouble trouble;
    size_t open_count;        /* requests that wait */
    uint64_t changed_lost_ms; /* loop_lost_ms() when the store came or went last */
};

struct site_registration {
    struct pending_query pending;
    struct list link; /* in `waiting`, or in no list */
    struct site_registrations *registrations;
    struct page_ref page_ref;
    struct novelty_site_charge charge;
    bool is_new; /* the store has added the site, or may have added it */
    enum site_registration_result result;
    site_registration_callback on_registered;
};

static struct site_registration *registration_of(struct pending_query *pending)
{
    return container_of(pending, struct site_registration, pending);
}

static void on_end(struct pending_query *pending)
{
    struct site_registration *registration = registration_of(pending);

    list_remove(&registration->link);
    registration->registrations->open_count--;
}

static void on_answer(struct request *request, struct pending_query *pending)
{
    struct site_registration *registration = registration_of(pending);

    novelty_settle_site(request->app->novelty, &registration->charge,
                        registration->result == SITE_REGISTERED, registration->is_new);
    registration->on_registered(request, &registration->page_ref, registration->result);
}

static uint64_t max_wait_ms(const struct request *request)
{
    uint64_t configured_ms = request->app->config->count_max_wait_ms;

    return configured_ms > LIMIT_MS ? configured_ms : LIMIT_MS;
}

/* Asking */

/** Whether the store has been away, or has refused to answer, for longer than a visit waits. */
static bool is_hopeless(const struct site_registrations *registrations,
                        const struct request *request)
{
    struct store_health health;
    struct trouble_view view;

    store_health(registrations->store, &health);
    if (!health.available) {
        /* while the process stood still the store had no chance to come back */
        uint64_t lost_ms = loop_lost_ms(registrations->loop) - registrations->changed_lost_ms;

        return loop_now_ms(registrations->loop) - health.changed_at_ms >=
               max_wait_ms(request) + lost_ms;
    }
    return trouble_view(&registrations->trouble, &view) && view.lasted_ms >= max_wait_ms(request);
}

/** Records the registered site, under the current configuration. */
static enum site_registration_result set_rules(struct site_registration *registration,
                                               const struct request *request)
{
    const char *site = registration->page_ref.site;
    const struct site_rules *rules = sites_admit(request->app->sites, site, strlen(site));

    if (rules == NULL) {
        return SITE_TOO_MANY;
    }
    registration->page_ref.rules = rules;
    return SITE_REGISTERED;
}

/** Queues the registration until the store comes back or the retry timer fires. */
static void let_wait(struct site_registration *registration)
{
    struct site_registrations *registrations = registration->registrations;

    list_append(&registrations->waiting, &registration->link);
    if (!loop_timer_is_active(&registrations->retry)) {
        loop_timer_start(registrations->loop, &registrations->retry, RETRY_MS);
    }
}

static void on_admitted(void *data, const struct store_admitted *admitted)
{
    struct site_registration *registration = data;
    const struct request *request = store_call_end(&registration->pending.call);

    if (request == NULL) {
        return;
    }
    registration->is_new |= admitted->is_new || admitted->outcome == STORE_UNKNOWN;
    if (admitted->outcome == STORE_OK) {
        trouble_end(&registration->registrations->trouble);
        registration->result =
            admitted->is_admitted ? set_rules(registration, request) : SITE_TOO_MANY;
        pending_query_answer(&registration->pending);
        return;
    }
    trouble_note(&registration->registrations->trouble, admitted->reason);
    if (is_hopeless(registration->registrations, request)) {
        pending_query_answer(&registration->pending);
    } else {
        let_wait(registration);
    }
}

static void ask(struct site_registration *registration)
{
    const struct request *request = store_call_owner(&registration->pending.call);

    pending_query_begin_call(&registration->pending);
    store_admit(registration->registrations->store, registration->page_ref.site,
                sites_open_limit(request->app->sites), on_admitted, registration);
}

static void ask_all(struct site_registrations *registrations)
{
    struct store_health health;
    struct list *link;

    store_health(registrations->store, &health);
    while (health.available && (link = list_pop_first(&registrations->waiting)) != NULL) {
        ask(container_of(link, struct site_registration, link));
    }
}

static void on_retry(struct loop_timer *timer)
{
    ask_all(container_of(timer, struct site_registrations, retry));
}

static void on_store_change(struct store_listener *listener, bool available)
{
    struct site_registrations *registrations =
        container_of(listener, struct site_registrations, listener);

    (void)available;
    registrations->changed_lost_ms = loop_lost_ms(registrations->loop);
    ask_all(registrations);
}

void site_registration_start(struct request *request, const struct page_ref *page_ref,
                             const struct novelty_site_charge *charge,
                             site_registration_callback callback)
{
    struct site_registrations *registrations = request->app->site_registrations;
    struct site_registration *registration;
    struct store_health health;

    store_health(registrations->store, &health);
    if (!pending_query_has_room(request, PENDING_VISIT, sizeof(*registration)) ||
        (is_hopeless(registrations, request) &&
         (!health.available || registrations->open_count != 0))) {
        struct novelty_site_charge unused = *charge;

        novelty_settle_site(request->app->novelty, &unused, false, false);
        callback(request, NULL, SITE_NOT_SERVED);
        return;
    }
    registration = pending_query_create_for_visit(request, sizeof(*registration),
                                                  max_wait_ms(request), on_answer);
    pending_query_set_on_end(&registration->pending, on_end);
    list_init(&registration->link);
    registration->registrations = registrations;
    registration->page_ref = *page_ref;
    registration->charge = *charge;
    registration->is_new = false;
    registration->result = SITE_NOT_SERVED;
    registration->on_registered = callback;
    registrations->open_count++;
    if (health.available) {
        ask(registration);
    } else {
        list_append(&registrations->waiting, &registration->link);
    }
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

/* All registrations */

struct site_registrations *site_registrations_create(struct loop *loop, struct store *store)
{
    struct site_registrations *registrations = alloc_zero(1, sizeof(*registrations));

    registrations->loop = loop;
    registrations->store = store;
    list_init(&registrations->waiting);
    loop_timer_init(&registrations->retry, on_retry);
    trouble_init(&registrations->trouble, loop, store, "sites that are not listed",
                 "visits of those that are new here are refused");
    registrations->listener.on_change = on_store_change;
    store_listen(store, &registrations->listener);
    return registrations;
}

void site_registrations_destroy(struct site_registrations *registrations)
{
    if (registrations == NULL) {
        return;
    }
    store_unlisten(registrations->store, &registrations->listener);
    loop_timer_stop(&registrations->retry);
    free(registrations);
}

const struct trouble *site_registrations_trouble(const struct site_registrations *registrations)
{
    return &registrations->trouble;
}
