/* SPDX-License-Identifier: MIT */
#include "http/request/pending_query.h"

#include "base/list.h"
#include "http/request/app.h"
#include "http/request/http_error.h"
#include "http/server/connection.h"

#define MIB ((size_t)1024 * 1024)

/* the queries of this process, with those that only the store still holds */
static struct {
    size_t count_max;
    size_t bytes_max;
    size_t count;
    size_t bytes; /* of the queries and the bodies of their requests */
} rooms[] = {
    [PENDING_READ] = {20000, 16 * MIB, 0, 0},
    [PENDING_VISIT] = {20000, 32 * MIB, 0, 0},
    [PENDING_OPERATOR] = {1000, 8 * MIB, 0, 0},
};

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
    rooms[pending->kind].count--;
    rooms[pending->kind].bytes -= pending->bytes;
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

static size_t bytes_of(const struct request *request, size_t size)
{
    return size + request->h2o->entity.len;
}

bool pending_query_has_room(const struct request *request, enum pending_kind kind, size_t size)
{
    return rooms[kind].count < rooms[kind].count_max &&
           rooms[kind].bytes + bytes_of(request, size) <= rooms[kind].bytes_max;
}

static void *create(struct request *request, enum pending_kind kind, size_t size, uint64_t limit_ms)
{
    struct pending_query *pending = store_call_create(size, request);

    pending->kind = kind;
    pending->bytes = bytes_of(request, size);
    rooms[kind].count++;
    rooms[kind].bytes += pending->bytes;
    store_call_set_on_free(&pending->call, on_free);
    loop_timer_init(&pending->limit, on_limit);
    loop_timer_start_patience(request->app->loop, &pending->limit, limit_ms);
    pending->guard =
        h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*pending->guard), on_request_gone);
    *pending->guard = pending;
    connection_begin_wait(request->h2o);
    return pending;
}

void *pending_query_create(struct request *request, size_t size, uint64_t limit_ms,
                           pending_query_callback on_answer)
{
    enum pending_kind kind = request->is_operator ? PENDING_OPERATOR : PENDING_READ;
    struct pending_query *pending;

    if (!pending_query_has_room(request, kind, size)) {
        http_error_respond(request, HTTP_ERROR_OVERLOADED, "too many questions wait for the store");
        return NULL;
    }
    pending = create(request, kind, size, limit_ms);
    pending->on_answer = on_answer;
    return pending;
}

void *pending_query_create_for_visit(struct request *request, size_t size, uint64_t limit_ms,
                                     pending_query_callback on_answer)
{
    struct pending_query *pending = create(request, PENDING_VISIT, size, limit_ms);

    pending->on_answer = on_answer;
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
