/* SPDX-License-Identifier: MIT */
#include "http/admin/app_view.h"

#include "http/routes/live.h"
#include "http/routes/password_guard.h"
#include "http/routes/site_registration.h"
#include "http/visit/novelty.h"
#include "http/visit/sites.h"
#include "http/visit/visitor.h"

void app_view(const struct app *app, struct app_view *ret_view)
{
    *ret_view = (struct app_view){
        .config = app->config,
        .loop = app->loop,
        .engine = app->engine,
        .store = app->store,
        .takeovers = app->takeovers,
        .actions = &app->actions,
        .default_site = sites_default(app->sites),
        .started_at_ms = app->started_at_ms,
        .is_draining = app->is_draining,
        .visitors_are_told_apart = visitors_are_told_apart(app->visitors),
        .salt_trouble = visitors_trouble(app->visitors),
        .site_trouble = site_registrations_trouble(app->site_registrations),
        .novelty = &app->novelty->stats,
        .visit_tallies = app->visit_tallies,
        .passwords = password_guard_stats(app->password_guard),
        .fullness = app->fullness,
        .live_clients = live_client_count(app->live),
    };
    server_count(app->server, &ret_view->server);
}
