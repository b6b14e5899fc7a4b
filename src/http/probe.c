/* SPDX-License-Identifier: MIT */
#include "http/probe.h"

#include "base/buf.h"
#include "count/engine.h"
#include "http/app.h"
#include "http/render.h"
#include "http/response.h"
#include "http/visitor.h"
#include "store/store.h"

void probe_handle_livez(struct request *request)
{
    static const struct response alive = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = {H2O_STRLIT("ok\n")},
    };

    respond(request, &alive);
}

void probe_handle_readyz(struct request *request)
{
    struct buf *body = app_scratch(request->app);
    struct store_health health;
    bool is_ready = false;

    store_health(request->app->store, &health);
    if (request->app->is_draining) {
        render_ready_json(body, "draining", "this instance ends");
    } else if (!health.available && engine_can_journal(request->app->engine)) {
        is_ready = true;
        render_ready_json(body, "journaling", NULL);
    } else if (!health.available) {
        /* not the store's error: it may name addresses that are nobody's business here */
        render_ready_json(body, "store_unavailable", health.state);
    } else if (visitors_are_awaited(request->app->visitors)) {
        render_ready_json(body, "starting", "the store is asked for the salt of the day");
    } else {
        is_ready = true;
        render_ready_json(body, "ready", NULL);
    }
    respond_buf(request, is_ready ? 200 : 503, render_content_type(RENDER_JSON), body);
}
