/* SPDX-License-Identifier: MIT */
/**
 * admin_answer: what the handlers of the admin socket have in common: what is asked, and how it is
 * answered.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_ANSWER_H
#define VISITCOUNTD_HTTP_ADMIN_ANSWER_H

#include "base/buf.h"
#include "base/report.h"
#include "http/visit/key.h"
#include "http/request/request.h"
#include "store/store.h"

#include <stdbool.h>

/** For questions to the store: shorter than visitcountctl's patience, so that it is told why. */
#define ADMIN_LIMIT_MS 3000

/**
 * The text of a query parameter, or NULL when it is absent. A NUL in it becomes DEL, which no
 * parameter may contain either.
 */
const char *admin_parameter(const struct request *request, const char *name);

/** Whether the request is to be done although something speaks against it: --force. */
bool admin_is_forced(const struct request *request);

/**
 * The name of the site that is asked for by its name or an alias, or of the default one. False
 * after answering that it is none, or is not counted here and the request is not forced.
 */
bool admin_take_site(struct request *request, char ret_site[STORE_SITE_MAX + 1]);

/**
 * The key of the page that a parameter names as a visit's path does (http/key.h), "/" without one;
 * false after answering.
 */
bool admin_take_page(struct request *request, const char *name, struct key *ret_page);

/** Appends a page so that admin_take_page() makes the same key of it. */
void admin_put_page(struct buf *out, const char *page);

/** Text, unless the request asks for JSON in its query or, when that is silent, in Accept. */
enum report_form admin_wanted_form(const struct request *request);

/** Sends `body` as what admin_wanted_form() says, and frees it. */
void admin_respond_form(struct request *request, int status, struct buf *body);

/** Sends a report, and frees it. */
void admin_respond_report(struct request *request, int status, struct report *report);

/** Says that the store did not answer, and how it is. */
void admin_respond_unavailable(struct request *request);

#endif
