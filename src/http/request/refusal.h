/* SPDX-License-Identifier: MIT */
/**
 * refusal: the reasons for refusing a visitor's request. Each has one row with its
 * Visitcount-Status, HTTP status and error code.
 */
#ifndef VISITCOUNTD_HTTP_REFUSAL_H
#define VISITCOUNTD_HTTP_REFUSAL_H

#include "http/request/request.h"

enum refusal {
    REFUSAL_BAD_SITE,
    REFUSAL_UNKNOWN_SITE,
    REFUSAL_TOO_MANY_SITES,
    REFUSAL_TOO_MANY_PAGES,
    REFUSAL_BAD_PAGE,
    REFUSAL_PAGE_TOO_LONG,
    REFUSAL_BAD_IDEMPOTENCY_KEY,
    REFUSAL_BAD_PARAMETER,
    REFUSAL_BAD_BODY,
    REFUSAL_PASSWORD_WANTED,
    REFUSAL_PRIVATE,
    REFUSAL_ORIGIN,
    REFUSAL_RATE,
    REFUSAL_STORE_UNAVAILABLE,
    REFUSAL_JOURNAL_FULL,
    REFUSAL_OVERLOADED,
    REFUSAL_TOO_MANY_LISTENERS,
    REFUSAL_SHUTTING_DOWN,
    REFUSAL_OUTCOME_UNKNOWN /* not a refusal: the visit may have been counted */
};

/** Answers the request with the error. `format` makes the readable message. */
void refuse(struct request *request, enum refusal refusal, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
