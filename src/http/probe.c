/* SPDX-License-Identifier: MIT */
#include "http/probe.h"

#include "count/engine.h"
#include "http/render.h"
#include "http/server.h"
#include "http/visitor.h"

#include <string.h>

void probe_handle_livez(struct request *request)
{
    static const struct response alive = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = {H2O_STRLIT("ok\n")},
    };

    respond(request, &alive);
}

/* whether visits of one of the sites can be counted or journaled; of those not listed, always */
static bool serves_a_site(const struct engine *engine, const struct config_sites *sites)
{
    for (size_t i = 0; i < sites->count; i++) {
        if (strcmp(sites->items[i].name, "*") == 0 || engine_serves(engine, sites->items[i].name)) {
            return true;
        }
    }
    return sites->count == 0;
}

/* of the store only what is nobody's secret: its errors may name addresses, and sites */
void probe_handle_readyz(struct request *request)
{
    const struct engine *engine = server_engine(request->server);
    struct buf *body = server_scratch(request->server);
    struct engine_failure failure = {0};
    struct store_health health;
    const char *state = "ready";
    const char *reason = NULL;

    store_health(server_store(request->server), &health);
    engine_failure(engine, &failure);
    if (server_is_draining(request->server)) {
        state = "draining";
        reason = "this instance ends";
    } else if (!engine_serves(engine, NULL)) {
        state = health.available ? "store_refuses" : "store_unavailable";
        reason = health.available ? "the store takes no visits now" : health.state;
    } else if (!health.available || failure.is_server_wide) {
        state = engine_can_journal(engine) ? "journaling" : "ready";
    } else if (!serves_a_site(engine, &server_config(request->server)->sites)) {
        state = "sites_refused";
        reason = "the store takes visits of no site";
    } else if (visitors_are_awaited(server_visitors(request->server))) {
        state = "starting";
        reason = "the store is asked for the salt of the day";
    }
    render_ready_sites_json(body, state, reason, failure.site_count);
    respond_buf(request, reason == NULL ? 200 : 503, render_content_type(RENDER_JSON), body);
}
