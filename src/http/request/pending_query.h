/* SPDX-License-Identifier: MIT */
/**
 * question: one or several store calls for a request, with a time limit.
 *
 * Embedded as the first member of a structure that holds the arguments and results of the calls.
 * The question lives until the store has answered the last call. The request may be answered, or
 * gone, before that.
 */
#ifndef VISITCOUNTD_HTTP_QUESTION_H
#define VISITCOUNTD_HTTP_QUESTION_H

#include "http/request/request.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct question;

/** Answers the request. It is called once. `question->is_complete`: all results are there. */
typedef void (*question_callback)(struct request *request, struct question *question);

struct question {
    bool is_complete; /* the store has answered all calls in time, without errors */

    /* private to question.c */
    struct request *request; /* NULL if it was answered or is gone */
    struct question **guard; /* in the request's pool, which clears `request` through it */
    question_callback on_answer;
    void (*on_free)(struct question *question);
    struct loop_timer limit;
    size_t open_calls;
    bool has_failed;
};

/**
 * Creates a question of `size` bytes; zeros follow its first member. The caller begins its calls in
 * this turn of the loop. Returns NULL if too many questions are open in this process; the request
 * was then answered with 503.
 */
void *question_create(struct request *request, size_t size, uint64_t limit_ms,
                      question_callback on_answer);

/** Sets the function that frees the structure's own memory. Optional. */
void question_on_free(struct question *question, void (*on_free)(struct question *question));

/** Registers a call to the store. Call it before the call begins. */
void question_begin_call(struct question *question);

/** Registers the result of a call. The last one completes the question. */
void question_end_call(struct question *question, bool is_ok);

#endif
