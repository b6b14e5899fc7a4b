/* SPDX-License-Identifier: MIT */
/**
 * question: what a request asks the store, in one or several calls, for no longer than a limit.
 *
 * Embedded as the first member of a structure that holds what the calls need and what they answer.
 * It lives until the store has answered the last call; its request may be answered, or gone,
 * before.
 */
#ifndef VISITCOUNTD_HTTP_QUESTION_H
#define VISITCOUNTD_HTTP_QUESTION_H

#include "http/request/request.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct question;

/** Answers the request, once. `question->is_complete` says whether all is known. */
typedef void (*question_callback)(struct request *request, struct question *question);

struct question {
    bool is_complete; /* the store has answered all calls, well and in time */

    /* question.c's */
    struct request *request; /* NULL when it was answered or is gone */
    struct question **guard; /* in the request's pool: tells when it goes */
    question_callback on_answer;
    void (*on_free)(struct question *question);
    struct loop_timer limit;
    size_t open_calls;
    bool has_failed;
};

/**
 * A new question of `size` bytes, zeros behind its first member, whose calls begin before this turn
 * of the loop ends. NULL when far too many are open in this process: the request was answered by
 * 503 then.
 */
void *question_create(struct request *request, size_t size, uint64_t limit_ms,
                      question_callback on_answer);

/** Sets what frees the memory that the structure owns; may be left out. */
void question_on_free(struct question *question, void (*on_free)(struct question *question));

/** One more call to the store begins. */
void question_begin_call(struct question *question);

/** It was answered, well or not; the last one of all ends the question. */
void question_end_call(struct question *question, bool is_ok);

#endif
