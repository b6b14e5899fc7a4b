/* SPDX-License-Identifier: MIT */
#include "http/request/question.h"

#include "base/alloc.h"
#include "http/server/connection.h"
#include "http/request/http_error.h"
#include "http/request/app.h"

#include <stdlib.h>

/* limit of open questions in this process; only a hanging store can cause more */
#define OPEN_MAX 20000

static size_t open_count;

/** Detaches the request. The question stays until the store has answered. */
static struct request *release(struct question *question)
{
    struct request *request = question->request;

    loop_timer_stop(&question->limit);
    question->request = NULL;
    if (question->guard != NULL) {
        *question->guard = NULL;
        question->guard = NULL;
    }
    return request;
}

static void on_request_gone(void *data)
{
    struct question **guard = data;

    if (*guard != NULL) {
        release(*guard);
    }
}

static void answer(struct question *question)
{
    struct request *request = release(question);

    if (request != NULL) {
        connection_end_wait(request->h2o);
        question->on_answer(request, question);
    }
}

static void on_limit(struct loop_timer *timer)
{
    answer(container_of(timer, struct question, limit));
}

void *question_create(struct request *request, size_t size, uint64_t limit_ms,
                      question_callback on_answer)
{
    struct question *question;

    if (open_count >= OPEN_MAX) {
        refuse(request, HTTP_ERROR_OVERLOADED, "too many questions wait for the store");
        return NULL;
    }
    question = alloc_zero(1, size);
    open_count++;
    question->request = request;
    question->on_answer = on_answer;
    loop_timer_init(&question->limit, on_limit);
    loop_timer_start_patience(request->app->loop, &question->limit, limit_ms);
    question->guard =
        h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*question->guard), on_request_gone);
    *question->guard = question;
    connection_begin_wait(request->h2o);
    return question;
}

void question_on_free(struct question *question, void (*on_free)(struct question *question))
{
    question->on_free = on_free;
}

void question_begin_call(struct question *question)
{
    question->open_calls++;
}

void question_end_call(struct question *question, bool is_ok)
{
    question->has_failed |= !is_ok;
    if (--question->open_calls != 0) {
        return;
    }
    question->is_complete = !question->has_failed;
    answer(question);
    if (question->on_free != NULL) {
        question->on_free(question);
    }
    open_count--;
    free(question);
}
