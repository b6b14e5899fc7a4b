/* SPDX-License-Identifier: MIT */
#include "http/routes/password_guard.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "http/request/app.h"
#include "http/request/client.h"
#include "http/request/http_error.h"
#include "http/request/router.h"
#include "http/server/connection.h"
#include "http/visit/network.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS 60000

struct password_guard {
    struct loop *loop;
    struct rates *budgets;
    struct password_guard_stats stats;
    struct list waiting;
    size_t waiting_count;
    uint64_t all_hash;      /* the bucket of all networks */
    struct loop_timer mute; /* runs while further wrong passwords are only counted */
    struct password_guard_stats logged;
    char site[STORE_SITE_MAX + 1]; /* of the last wrong password */
};

/** An attempt that waits. It is in the request's pool. */
struct attempt {
    struct list link;
    struct loop_timer timer;
    struct password_guard *guard;
    struct request *request;
    enum password_state next_state;
    struct networks networks; /* none: only its answer is delayed */
};

/* The log */

/* the site of the last wrong password, and how many there were since the last line */
static void write_line(struct password_guard *guard)
{
    const struct password_guard_stats *now = &guard->stats;
    const struct password_guard_stats *before = &guard->logged;

    if (before->wrong == 0) {
        log_warning("dashboard: wrong password for site %s; further ones are logged once a minute",
                    guard->site);
    } else {
        log_warning("dashboard: %" PRIu64 " wrong passwords since the last message, the last one "
                    "for site %s; %" PRIu64 " attempts had to wait, %" PRIu64 " were refused",
                    now->wrong - before->wrong, guard->site, now->delayed - before->delayed,
                    now->refused - before->refused);
    }
    guard->logged = *now;
    loop_timer_start(guard->loop, &guard->mute, MINUTE_MS);
}

static void on_mute_end(struct loop_timer *timer)
{
    struct password_guard *guard = container_of(timer, struct password_guard, mute);

    if (guard->stats.wrong != guard->logged.wrong) {
        write_line(guard);
    }
}

/* Waiting */

static void remove_attempt(struct attempt *attempt)
{
    if (loop_timer_is_active(&attempt->timer)) {
        loop_timer_stop(&attempt->timer);
        list_remove(&attempt->link);
        attempt->guard->waiting_count--;
    }
}

static void on_request_gone(void *data)
{
    remove_attempt(data);
}

static void on_waited(struct loop_timer *timer)
{
    struct attempt *attempt = container_of(timer, struct attempt, timer);
    struct request *request = attempt->request;

    list_remove(&attempt->link);
    attempt->guard->waiting_count--;
    if (request->h2o->res.status != 0) {
        return; /* the server ends and has answered it */
    }
    connection_end_wait(request->h2o);
    request->password_state = attempt->next_state;
    request->route->handle(request);
}

static size_t count_waiting(const struct password_guard *guard, size_t network, uint64_t hash)
{
    size_t count = 0;

    list_for_each(link, &guard->waiting) {
        const struct attempt *attempt = container_of(link, const struct attempt, link);

        count +=
            network < attempt->networks.count && attempt->networks.hashes[network] == hash ? 1 : 0;
    }
    return count;
}

/* whether an attempt of these networks may wait: one per network, more of a wide one */
static bool has_room(const struct password_guard *guard, const struct networks *networks)
{
    size_t max = 1;

    for (size_t i = 0; i < networks->count; i++) {
        if (count_waiting(guard, i, networks->hashes[i]) >= max) {
            return false;
        }
        max *= NETWORK_WIDE_FACTOR;
    }
    return guard->waiting_count < PASSWORD_GUARD_WAITING_MAX;
}

/* lets the request wait, or refuses it */
static void delay(struct password_guard *guard, struct request *request,
                  const struct networks *networks, enum password_state next_state)
{
    struct attempt *attempt;

    if (!has_room(guard, networks)) {
        guard->stats.refused++;
        request->retry_after_s = PASSWORD_GUARD_DELAY_MS / 1000;
        http_error_respond(request, HTTP_ERROR_PASSWORDS,
                           "too many wrong passwords; try again in %d s",
                           PASSWORD_GUARD_DELAY_MS / 1000);
        return;
    }
    guard->stats.delayed++;
    guard->waiting_count++;
    attempt = h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*attempt), on_request_gone);
    *attempt = (struct attempt){
        .guard = guard, .request = request, .next_state = next_state, .networks = *networks};
    list_append(&guard->waiting, &attempt->link);
    loop_timer_init(&attempt->timer, on_waited);
    loop_timer_start(guard->loop, &attempt->timer, PASSWORD_GUARD_DELAY_MS);
    connection_begin_wait(request->h2o);
}

/* Judging */

/* clients whose network is not known share one */
static void find_networks(const struct request *request, struct networks *ret_networks)
{
    struct client client;

    client_read(request, &client);
    networks_of(&client, ret_networks);
    if (ret_networks->count == 0) {
        ret_networks->count = 1;
        ret_networks->hashes[0] = 0;
    }
}

bool password_guard_admit(struct password_guard *guard, struct request *request,
                          struct budget_charge *ret_charge)
{
    struct networks networks;

    find_networks(request, &networks);
    *ret_charge = (struct budget_charge){
        .kind = BUDGET_PASSWORDS,
        .limits = {.burst = {.count = PASSWORD_GUARD_PER_MINUTE, .per_ms = MINUTE_MS}},
        .networks = networks,
    };
    if (budget_take(guard->budgets, ret_charge, clock_monotonic_ms()) == 0 ||
        request->password_state == PASSWORD_WAITED) {
        return true;
    }
    delay(guard, request, &networks, PASSWORD_WAITED);
    return false;
}

void password_guard_accept(struct password_guard *guard, struct budget_charge *charge)
{
    budget_give_back(guard->budgets, charge);
}

bool password_guard_reject(struct password_guard *guard, struct request *request, const char *site)
{
    static const struct rate all = {.count = PASSWORD_GUARD_ALL_PER_MINUTE, .per_ms = MINUTE_MS};
    static const struct networks none;
    bool is_over =
        rates_take_hash(guard->budgets, &all, guard->all_hash, clock_monotonic_ms()) != 0;

    guard->stats.wrong++;
    snprintf(guard->site, sizeof(guard->site), "%s", site);
    if (!loop_timer_is_active(&guard->mute)) {
        write_line(guard);
    }
    if (!is_over || request->password_state == PASSWORD_WAITED) {
        return true;
    }
    delay(guard, request, &none, PASSWORD_REJECTED);
    return false;
}

/* The guard */

struct password_guard *password_guard_create(struct loop *loop, struct rates *budgets)
{
    static const char name[] = "passwords";
    struct password_guard *guard = alloc_zero(1, sizeof(*guard));

    guard->loop = loop;
    guard->budgets = budgets;
    guard->all_hash = map_hash_key(name, sizeof(name));
    list_init(&guard->waiting);
    loop_timer_init(&guard->mute, on_mute_end);
    return guard;
}

void password_guard_destroy(struct password_guard *guard)
{
    if (guard != NULL) {
        loop_timer_stop(&guard->mute);
        free(guard);
    }
}

const struct password_guard_stats *password_guard_stats(const struct password_guard *guard)
{
    return &guard->stats;
}
