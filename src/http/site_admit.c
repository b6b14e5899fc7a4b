/* SPDX-License-Identifier: MIT */
#include "http/site_admit.h"

#include "http/connection.h"
#include "http/server.h"
#include "http/sites.h"

#include <stdlib.h>
#include <string.h>

/* open at once in this process; more than that only a store that hangs can cause */
#define OPEN_MAX 20000

/* shortest time that the store gets to answer, where count.max_wait is less */
#define LIMIT_MS 1000

struct site_admit {
    struct request *request;   /* NULL when it was answered or is gone */
    struct site_admit **guard; /* in the request's pool: tells when it goes */
    struct target *target;     /* likewise in the request's pool */
    site_admit_callback on_admitted;
    struct loop_timer limit;
    char site[STORE_SITE_MAX + 1];
};

static size_t open_count;

/** Lets the request go; the question stays for the store. */
static struct request *release(struct site_admit *admit)
{
    struct request *request = admit->request;

    loop_timer_stop(&admit->limit);
    admit->request = NULL;
    if (admit->guard != NULL) {
        *admit->guard = NULL;
        admit->guard = NULL;
    }
    return request;
}

static void on_request_gone(void *data)
{
    struct site_admit **guard = data;

    if (*guard != NULL) {
        release(*guard);
    }
}

static void answer(struct site_admit *admit, enum site_admission admission)
{
    struct request *request;

    if (admit->request == NULL) {
        return;
    }
    connection_end_wait(admit->request->h2o);
    request = release(admit);
    admit->on_admitted(request, admit->target, admission);
}

static void on_limit(struct loop_timer *timer)
{
    answer(container_of(timer, struct site_admit, limit), SITE_NOT_SERVED);
}

/** Notes the site, under the configuration as it is by now. */
static enum site_admission take_in(const struct site_admit *admit)
{
    const struct site_rules *rules =
        sites_admit(server_sites(admit->request->server), admit->site, strlen(admit->site));

    if (rules == NULL) {
        return SITE_TOO_MANY;
    }
    admit->target->rules = rules;
    return SITE_ADMITTED;
}

static void on_admitted(void *data, const struct store_admitted *result)
{
    struct site_admit *admit = data;

    if (admit->request == NULL || result->outcome != STORE_OK) {
        answer(admit, SITE_NOT_SERVED);
    } else {
        answer(admit, result->is_admitted ? take_in(admit) : SITE_TOO_MANY);
    }
    open_count--;
    free(admit);
}

static struct site_admit *create(struct request *request, const struct target *target,
                                 site_admit_callback callback)
{
    h2o_mem_pool_t *pool = &request->h2o->pool;
    struct site_admit *admit = calloc(1, sizeof(*admit));

    if (admit == NULL) {
        abort();
    }
    admit->request = request;
    admit->on_admitted = callback;
    admit->target = h2o_mem_alloc_pool(pool, sizeof(*target));
    *admit->target = *target;
    admit->guard = h2o_mem_alloc_shared(pool, sizeof(*admit->guard), on_request_gone);
    *admit->guard = admit;
    strcpy(admit->site, target->site);
    loop_timer_init(&admit->limit, on_limit);
    return admit;
}

void site_admit_start(struct request *request, const struct target *target,
                      site_admit_callback callback)
{
    struct server *server = request->server;
    uint64_t limit_ms = server_config(server)->count_max_wait_ms;
    struct site_admit *admit;

    if (open_count >= OPEN_MAX) {
        callback(request, NULL, SITE_NOT_SERVED);
        return;
    }
    open_count++;
    admit = create(request, target, callback);
    loop_timer_start_patience(server_loop(server), &admit->limit,
                              limit_ms > LIMIT_MS ? limit_ms : LIMIT_MS);
    store_admit(server_store(server), admit->site, sites_open_limit(server_sites(server)),
                on_admitted, admit);
    connection_begin_wait(request->h2o);
}

/* Listed sites */

/** Nobody waits for it; where it failed, a later visit tries again. */
static void on_listed(void *data, const struct store_admitted *result)
{
    (void)data;
    (void)result;
}

void site_admit_listed(struct request *request, const struct site_rules *rules, uint64_t second)
{
    if (sites_is_due(rules, second)) {
        store_admit(server_store(request->server), rules->name, 0, on_listed, NULL);
    }
}
