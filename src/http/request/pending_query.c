/* SPDX-License-Identifier: MIT */
#include "http/request/pending_query.h"

#include "base/list.h"
#include "http/request/app.h"
#include "http/request/http_error.h"
#include "http/server/connection.h"

/* limit of queries in this process, with those that only the store still holds */
#define PENDING_MAX 20000

static size_t pending_count;

static struct pending_query *pending_of(struct store_call *call)
{
    return container_of(call, struct pending_query, call);
}

static void on_free(struct store_call *call)
{
    struct pending_query *pending = pending_of(call);

    if (pending->on_free != NULL) {
        pending->on_free(pending);
    }
    pending_count--;
}

/* the request does not wait any more */
static void end_wait(struct pending_query *pending)
{
    loop_timer_stop(&pending->limit);
    *pending->guard = NULL;
    if (pending->on_end != NULL) {
        pending->on_end(pending);
    }
}

static void on_request_gone(void *data)
{
    struct pending_query *pending = *(struct pending_query **)data;

    if (pending != NULL) {
        end_wait(pending);
        store_call_release(&pending->call);
    }
}

void pending_query_answer(struct pending_query *pending)
{
    struct request *request = store_call_owner(&pending->call);

    end_wait(pending);
    connection_end_wait(request->h2o);
    pending->on_answer(request, pending);
    store_call_release(&pending->call);
}

static void on_limit(struct loop_timer *timer)
{
    pending_query_answer(container_of(timer, struct pending_query, limit));
}

bool pending_query_has_room(void)
{
    return pending_count < PENDING_MAX;
}

void *pending_query_create(struct request *request, size_t size, uint64_t limit_ms,
                           pending_query_callback on_answer)
{
    struct pending_query *pending;

    if (!pending_query_has_room()) {
        http_error_respond(request, HTTP_ERROR_OVERLOADED, "too many questions wait for the store");
        return NULL;
    }
    pending = store_call_create(size, request);
    pending_count++;
    store_call_set_on_free(&pending->call, on_free);
    pending->on_answer = on_answer;
    loop_timer_init(&pending->limit, on_limit);
    loop_timer_start_patience(request->app->loop, &pending->limit, limit_ms);
    pending->guard =
        h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*pending->guard), on_request_gone);
    *pending->guard = pending;
    connection_begin_wait(request->h2o);
    return pending;
}

void pending_query_set_on_end(struct pending_query *pending, pending_query_hook on_end)
{
    pending->on_end = on_end;
}

void pending_query_set_on_free(struct pending_query *pending, pending_query_hook hook)
{
    pending->on_free = hook;
}

void pending_query_begin_call(struct pending_query *pending)
{
    store_call_begin(&pending->call);
}

void pending_query_end_call(struct pending_query *pending, bool is_ok)
{
    pending->has_failed |= !is_ok;
    if (store_call_end(&pending->call) == NULL || store_call_is_open(&pending->call)) {
        return;
    }
    pending->is_complete = !pending->has_failed;
    pending_query_answer(pending);
}
