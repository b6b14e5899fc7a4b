/* SPDX-License-Identifier: MIT */
/**
 * admin_answer: shared by the handlers of the admin socket: takes their parameters and sends their
 * answers.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_ANSWER_H
#define VISITCOUNTD_HTTP_ADMIN_ANSWER_H

#include "base/buf.h"
#include "base/report.h"
#include "http/visit/page_key.h"
#include "http/request/request.h"
#include "store/store.h"

#include <stdbool.h>

/**
 * Limit for calls to the store. It is below visitcountctl's timeout, so that the operator gets our
 * error message and not a timeout.
 */
#define ADMIN_LIMIT_MS 3000

/**
 * Returns the value of a query parameter, or NULL if it is absent. A NUL in the value becomes DEL,
 * which is invalid in every parameter too.
 */
const char *admin_answer_parameter(const struct request *request, const char *name);

/** Whether the operator passed --force: the request is done although a check speaks against it. */
bool admin_answer_is_forced(const struct request *request);

/**
 * Takes the site from the request, by its name or an alias. Without the parameter it is the default
 * site. Returns false, after answering, if the name is invalid, or if the site is not counted here
 * and the request is not forced.
 */
bool admin_answer_parse_site(struct request *request, char ret_site[STORE_SITE_MAX + 1]);

/**
 * Makes a page key from the parameter `name`, by the rules for visits' paths (http/key.h). Without
 * the parameter it is "/". Returns false after answering.
 */
bool admin_answer_parse_page(struct request *request, const char *name, struct page_key *ret_page);

/**
 * Parses the parameter "number", from `smallest` to `largest`, into `number`, which keeps its value
 * without the parameter. Returns false after answering.
 */
bool admin_answer_parse_number(struct request *request, uint64_t smallest, uint64_t largest,
                               uint64_t *number);

/** Appends a page, encoded so that admin_answer_parse_page() makes the same key of it. */
void admin_answer_put_page(struct buf *out, const char *page);

/**
 * Returns the form of the answer. The query decides, then the Accept header; the default is text.
 */
enum report_form admin_answer_form(const struct request *request);

/** Sends `body` with the Content-Type of admin_answer_form(), and frees it. */
void admin_answer_respond_form(struct request *request, int status, struct buf *body);

/** Sends a report in the form of admin_answer_form(), and frees it. */
void admin_answer_respond_report(struct request *request, int status, struct report *report);

/** Answers that the store did not reply, and includes the state of the store. */
void admin_answer_respond_unavailable(struct request *request);

#endif
