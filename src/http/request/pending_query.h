/* SPDX-License-Identifier: MIT */
/**
 * pending_query: a request that waits for one or several calls to the store, with a time limit.
 *
 * Embedded as the first member of a structure that holds the arguments and results of the calls;
 * see store_call.h for its life. The request may be answered, or gone, before the store has
 * answered.
 */
#ifndef VISITCOUNTD_HTTP_PENDING_QUERY_H
#define VISITCOUNTD_HTTP_PENDING_QUERY_H

#include "http/request/request.h"
#include "loop/loop.h"
#include "store/store_call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_query;

/** Answers the request. It is called once. `pending->is_complete`: all results are there. */
typedef void (*pending_query_callback)(struct request *request, struct pending_query *pending);

/** See pending_query_set_on_end() and pending_query_set_on_free(). */
typedef void (*pending_query_hook)(struct pending_query *pending);

/** Who waits. Each kind has room of its own, so none takes the room of another. */
enum pending_kind {
    PENDING_READ,    /* a visitor's question that counts nothing */
    PENDING_VISIT,   /* a visit: it waits for its site, or for the number of a period */
    PENDING_OPERATOR /* a request to the admin socket; never passed by callers */
};

struct pending_query {
    struct store_call call; /* the request owns it */
    bool is_complete;       /* the store has answered all calls in time, without errors */

    /* private to pending_query.c */
    struct pending_query **guard; /* in the request's pool; through it the pool ends the query */
    pending_query_callback on_answer;
    pending_query_hook on_end;
    pending_query_hook on_free;
    struct loop_timer limit;
    bool has_failed;
    enum pending_kind kind;
    size_t bytes; /* that it takes of the room */
};

/** Whether a further query of `size` bytes may wait, with the body of its request. */
bool pending_query_has_room(const struct request *request, enum pending_kind kind, size_t size);

/**
 * Creates a query of `size` bytes; zeros follow its first member. The caller begins its calls in
 * this turn of the loop. After `limit_ms` the request is answered without results. Returns NULL if
 * there is no room for further reads; the request was then answered with 503.
 */
void *pending_query_create(struct request *request, size_t size, uint64_t limit_ms,
                           pending_query_callback on_answer);

/** The same for a visit. The caller has checked that there is room, so it never returns NULL. */
void *pending_query_create_for_visit(struct request *request, size_t size, uint64_t limit_ms,
                                     pending_query_callback on_answer);

/** Sets a function for the end of the wait: right before the answer, or when the request is gone.
 */
void pending_query_set_on_end(struct pending_query *pending, pending_query_hook on_end);

/** Sets the function that frees the structure's own memory. */
void pending_query_set_on_free(struct pending_query *pending, pending_query_hook on_free);

/** Registers a call to the store. Call it before the call begins. */
void pending_query_begin_call(struct pending_query *pending);

/** Registers the result of a call. The last one answers the request, if that still waits. */
void pending_query_end_call(struct pending_query *pending, bool is_ok);

/**
 * Answers the request now. It must still wait, which store_call_end() tells. Afterwards the query
 * may be freed.
 */
void pending_query_answer(struct pending_query *pending);

#endif
