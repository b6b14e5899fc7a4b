/* SPDX-License-Identifier: MIT */
#include "http/routes/health.h"

#include "base/buf.h"
#include "config/config.h"
#include "count/engine.h"
#include "http/request/app.h"
#include "http/render/render.h"
#include "http/request/response.h"
#include "http/visit/visitor.h"
#include "store/store.h"

#include <string.h>

void health_handle_livez(struct request *request)
{
    static const struct response alive = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = {H2O_STRLIT("ok\n")},
    };

    response_send(request, &alive);
}

/*
 * whether visits of at least one site can be counted or journaled; true if any site may be counted
 */
static bool serves_a_site(const struct engine *engine, const struct config_sites *sites)
{
    for (size_t i = 0; i < sites->count; i++) {
        if (strcmp(sites->items[i].name, "*") == 0 || engine_serves(engine, sites->items[i].name)) {
            return true;
        }
    }
    return sites->count == 0;
}

/* answers only the public state of the store: its errors may contain addresses and site names */
void health_handle_readyz(struct request *request)
{
    const struct engine *engine = request->app->engine;
    struct buf *body = app_scratch(request->app);
    struct engine_stall stall = {0};
    struct store_health health;
    const char *state = "ready";
    const char *reason = NULL;

    store_health(request->app->store, &health);
    engine_longest_stall(engine, &stall);
    if (request->app->is_draining) {
        state = "draining";
        reason = "this instance ends";
    } else if (!engine_serves(engine, NULL)) {
        state = health.available ? "store_refuses" : "store_unavailable";
        reason = health.available ? "the store takes no visits now" : health.state;
    } else if (!health.available || stall.is_server_wide) {
        state = engine_can_journal(engine) ? "journaling" : "ready";
    } else if (!serves_a_site(engine, &request->app->config->sites)) {
        state = "sites_refused";
        reason = "the store takes visits of no site";
    } else if (visitors_are_awaited(request->app->visitors)) {
        state = "starting";
        reason = "the store is asked for the salt of the day";
    }
    render_ready_sites_json(body, state, reason, stall.site_count);
    response_send_buf(request, reason == NULL ? 200 : 503, render_content_type(RENDER_JSON), body);
}
