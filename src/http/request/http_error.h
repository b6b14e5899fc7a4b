/* SPDX-License-Identifier: MIT */
/**
 * http_error: the reasons for refusing a visitor's request. Each has one row with its
 * Visitcount-Status, HTTP status and error code.
 */
#ifndef VISITCOUNTD_HTTP_HTTP_ERROR_H
#define VISITCOUNTD_HTTP_HTTP_ERROR_H

#include "http/request/request.h"

enum http_error {
    HTTP_ERROR_BAD_SITE,
    HTTP_ERROR_UNKNOWN_SITE,
    HTTP_ERROR_TOO_MANY_SITES,
    HTTP_ERROR_TOO_MANY_PAGES,
    HTTP_ERROR_BAD_PAGE,
    HTTP_ERROR_PAGE_TOO_LONG,
    HTTP_ERROR_BAD_IDEMPOTENCY_KEY,
    HTTP_ERROR_BAD_PARAMETER,
    HTTP_ERROR_BAD_BODY,
    HTTP_ERROR_PASSWORD_WANTED,
    HTTP_ERROR_PRIVATE,
    HTTP_ERROR_PASSWORDS,
    HTTP_ERROR_ORIGIN,
    HTTP_ERROR_PAGE,
    HTTP_ERROR_RATE,
    HTTP_ERROR_NEW_PAGES,
    HTTP_ERROR_NEW_SITES,
    HTTP_ERROR_IDEMPOTENCY_KEYS,
    HTTP_ERROR_STORE_UNAVAILABLE,
    HTTP_ERROR_JOURNAL_FULL,
    HTTP_ERROR_OVERLOADED,
    HTTP_ERROR_TOO_MANY_LISTENERS,
    HTTP_ERROR_SHUTTING_DOWN,
    HTTP_ERROR_OUTCOME_UNKNOWN /* not a refusal: the visit may have been counted */
};

/** Answers the request with the error. `format` makes the readable message. */
void http_error_respond(struct request *request, enum http_error http_error, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

#endif
