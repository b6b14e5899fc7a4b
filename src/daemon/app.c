/* SPDX-License-Identifier: MIT */
#include "daemon/app.h"

#include "base/alloc.h"
#include "http/admin/admin.h"
#include "http/visit/fullness.h"
#include "http/visit/novelty.h"
#include "http/visit/visit_filter.h"
#include "http/visit/visit_tally.h"
#include "http/routes/live.h"
#include "http/routes/password_guard.h"
#include "http/request/router.h"
#include "http/routes/routes.h"
#include "http/server/server.h"
#include "http/routes/site_registration.h"
#include "http/visit/sites.h"
#include "http/visit/visitor.h"
#include "loop/loop.h"

#include <stdlib.h>

struct app_memory {
    struct app app; /* the first member, because app_create() returns its address */
    struct visit_filter visit_filter;
    struct novelty novelty;
    struct router services[LISTENER_KINDS];
};

static struct app_memory *memory_of(struct app *app)
{
    return container_of(app, struct app_memory, app);
}

static struct server *create_server(struct app_memory *memory, const struct app_options *options,
                                    struct buf *errors)
{
    static const struct route_table *const tables[LISTENER_KINDS] = {
        [LISTENER_VISITORS] = &visitor_routes,
        [LISTENER_ADMIN] = &admin_routes,
        [LISTENER_METRICS] = &metrics_routes,
    };
    struct server_options server = {
        .loop = options->loop,
        .config = options->config,
        .inherited = options->inherited,
        .inherited_count = options->inherited_count,
    };

    for (size_t i = 0; i < LISTENER_KINDS; i++) {
        memory->services[i] = (struct router){&memory->app, tables[i]};
        server.handlers[i] =
            (struct server_handler){router_on_request, &memory->services[i], tables[i]->is_public};
    }
    return server_create(&server, errors);
}

struct app *app_create(const struct app_options *options, struct buf *errors)
{
    struct app_memory *memory = alloc_zero(1, sizeof(*memory));
    struct app *app;

    app = &memory->app;
    app->loop = options->loop;
    app->store = options->store;
    app->engine = options->engine;
    app->takeovers = options->takeovers;
    app->actions = options->actions;
    app->config = options->config;
    app->started_at_ms = loop_now_ms(app->loop);
    app->sites = sites_create(app->config);
    app->live = live_create(app->loop, app->store);
    app->visit_filter = &memory->visit_filter;
    visit_filter_init(app->visit_filter);
    app->novelty = &memory->novelty;
    novelty_init(app->novelty);
    app->visit_tallies = visit_tallies_create();
    app->on_uncounted = visit_tally_note;
    app->fullness = fullness_create(app->loop, app->store, app->sites);
    app->password_guard = password_guard_create(app->loop, app->novelty->budgets);
    app->visitors = visitors_create(app->loop, app->store, app->sites);
    app->site_registrations = site_registrations_create(app->loop, app->store);
    app->server = create_server(memory, options, errors);
    if (app->server == NULL) {
        app_destroy(app);
        return NULL;
    }
    return app;
}

void app_configure(struct app *app, const struct config *config)
{
    struct sites *previous = app->sites;

    app->sites = sites_create(config);
    sites_remember(app->sites, previous);
    app->config = config;
    visitors_configure(app->visitors, app->sites);
    fullness_configure(app->fullness, app->sites);
    sites_destroy(previous);
}

void app_drain(struct app *app, void (*on_drained)(void *data), void *data)
{
    app->is_draining = true;
    live_drain(app->live);
    server_drain(app->server, on_drained, data);
}

void app_destroy(struct app *app)
{
    if (app == NULL) {
        return;
    }
    app->is_draining = true;
    live_destroy(app->live);
    server_destroy(app->server);
    site_registrations_destroy(app->site_registrations);
    visitors_destroy(app->visitors);
    visit_tallies_destroy(app->visit_tallies);
    fullness_destroy(app->fullness);
    sites_destroy(app->sites);
    password_guard_destroy(app->password_guard);
    novelty_finish(app->novelty);
    visit_filter_finish(app->visit_filter);
    buf_finish(&app->scratch);
    free(memory_of(app));
}
