/* SPDX-License-Identifier: MIT */
#include "http/request/http_error.h"

#include "http/request/response.h"
#include "http/request/router.h"

static const struct {
    int http_status;
    const char *code;
    enum visit_outcome outcome;
} rows[] = {
    [HTTP_ERROR_BAD_SITE] = {400, "bad_site", OUTCOME_BAD_SITE},
    [HTTP_ERROR_UNKNOWN_SITE] = {404, "unknown_site", OUTCOME_UNKNOWN_SITE},
    [HTTP_ERROR_TOO_MANY_SITES] = {403, "too_many_sites", OUTCOME_TOO_MANY_SITES},
    [HTTP_ERROR_TOO_MANY_PAGES] = {403, "too_many_pages", OUTCOME_TOO_MANY_PAGES},
    [HTTP_ERROR_BAD_PAGE] = {400, "bad_page", OUTCOME_BAD_PAGE},
    [HTTP_ERROR_PAGE_TOO_LONG] = {414, "page_too_long", OUTCOME_BAD_PAGE},
    [HTTP_ERROR_BAD_IDEMPOTENCY_KEY] = {400, "bad_idempotency_key", OUTCOME_BAD_IDEMPOTENCY_KEY},
    [HTTP_ERROR_BAD_PARAMETER] = {400, "bad_parameter", OUTCOME_BAD_PARAMETER},
    [HTTP_ERROR_BAD_BODY] = {400, "bad_body", OUTCOME_BAD_BODY},
    [HTTP_ERROR_PASSWORD_WANTED] = {401, "password_wanted", OUTCOME_PASSWORD},
    [HTTP_ERROR_PRIVATE] = {403, "private", OUTCOME_PRIVATE},
    [HTTP_ERROR_PASSWORDS] = {429, "too_many_passwords", OUTCOME_PASSWORD},
    [HTTP_ERROR_TOO_MANY_LISTENERS] = {503, "too_many_listeners", OUTCOME_TOO_MANY_LISTENERS},
    [HTTP_ERROR_ORIGIN] = {403, "origin_not_allowed", OUTCOME_ORIGIN},
    [HTTP_ERROR_PAGE] = {403, "page_not_counted", OUTCOME_PAGE},
    [HTTP_ERROR_RATE] = {429, "too_many_visits", OUTCOME_RATE},
    [HTTP_ERROR_NEW_PAGES] = {429, "too_many_new_pages", OUTCOME_NEW_PAGES},
    [HTTP_ERROR_NEW_SITES] = {429, "too_many_new_sites", OUTCOME_NEW_SITES},
    [HTTP_ERROR_IDEMPOTENCY_KEYS] = {429, "too_many_idempotency_keys", OUTCOME_IDEMPOTENCY_KEYS},
    [HTTP_ERROR_STORE_UNAVAILABLE] = {503, "store_unavailable", OUTCOME_STORE_UNAVAILABLE},
    [HTTP_ERROR_JOURNAL_FULL] = {503, "journal_full", OUTCOME_JOURNAL_FULL},
    [HTTP_ERROR_OVERLOADED] = {503, "overloaded", OUTCOME_OVERLOADED},
    [HTTP_ERROR_SHUTTING_DOWN] = {503, "shutting_down", OUTCOME_SHUTTING_DOWN},
    [HTTP_ERROR_OUTCOME_UNKNOWN] = {504, "outcome_unknown", OUTCOME_UNKNOWN},
};

void http_error_respond(struct request *request, enum http_error http_error, const char *format,
                        ...)
{
    va_list arguments;

    if ((request->route->methods & ROUTE_COUNTS) != 0) {
        request->outcome = rows[http_error].outcome;
    }
    va_start(arguments, format);
    response_send_verror(request, rows[http_error].http_status, rows[http_error].code, format,
                         arguments);
    va_end(arguments);
}
