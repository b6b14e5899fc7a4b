/* SPDX-License-Identifier: MIT */
#include "http/request/http_error.h"

#include "http/request/response.h"
#include "http/request/router.h"

static const struct {
    int http_status;
    const char *code;
    h2o_iovec_t visit_status;
} rows[] = {
    [HTTP_ERROR_BAD_SITE] = {400, "bad_site", {H2O_STRLIT("refused; reason=bad-site")}},
    [HTTP_ERROR_UNKNOWN_SITE] = {404, "unknown_site", {H2O_STRLIT("refused; reason=unknown-site")}},
    [HTTP_ERROR_TOO_MANY_SITES] = {403,
                                   "too_many_sites",
                                   {H2O_STRLIT("refused; reason=too-many-sites")}},
    [HTTP_ERROR_TOO_MANY_PAGES] = {403,
                                   "too_many_pages",
                                   {H2O_STRLIT("refused; reason=too-many-pages")}},
    [HTTP_ERROR_BAD_PAGE] = {400, "bad_page", {H2O_STRLIT("refused; reason=bad-page")}},
    [HTTP_ERROR_PAGE_TOO_LONG] = {414, "page_too_long", {H2O_STRLIT("refused; reason=bad-page")}},
    [HTTP_ERROR_BAD_IDEMPOTENCY_KEY] = {400,
                                        "bad_idempotency_key",
                                        {H2O_STRLIT("refused; reason=bad-idempotency-key")}},
    [HTTP_ERROR_BAD_PARAMETER] = {400,
                                  "bad_parameter",
                                  {H2O_STRLIT("refused; reason=bad-parameter")}},
    [HTTP_ERROR_BAD_BODY] = {400, "bad_body", {H2O_STRLIT("refused; reason=bad-body")}},
    [HTTP_ERROR_PASSWORD_WANTED] = {401,
                                    "password_wanted",
                                    {H2O_STRLIT("refused; reason=password")}},
    [HTTP_ERROR_PRIVATE] = {403, "private", {H2O_STRLIT("refused; reason=private")}},
    [HTTP_ERROR_TOO_MANY_LISTENERS] = {503,
                                       "too_many_listeners",
                                       {H2O_STRLIT("refused; reason=too-many-listeners")}},
    [HTTP_ERROR_ORIGIN] = {403, "origin_not_allowed", {H2O_STRLIT("refused; reason=origin")}},
    [HTTP_ERROR_RATE] = {429, "too_many_visits", {H2O_STRLIT("refused; reason=rate")}},
    [HTTP_ERROR_STORE_UNAVAILABLE] = {503,
                                      "store_unavailable",
                                      {H2O_STRLIT("refused; reason=store-unavailable")}},
    [HTTP_ERROR_JOURNAL_FULL] = {503, "journal_full", {H2O_STRLIT("refused; reason=journal-full")}},
    [HTTP_ERROR_OVERLOADED] = {503, "overloaded", {H2O_STRLIT("refused; reason=overloaded")}},
    [HTTP_ERROR_SHUTTING_DOWN] = {503,
                                  "shutting_down",
                                  {H2O_STRLIT("refused; reason=shutting-down")}},
    [HTTP_ERROR_OUTCOME_UNKNOWN] = {504,
                                    "outcome_unknown",
                                    {H2O_STRLIT("unknown; reason=store-did-not-answer")}},
};

void refuse(struct request *request, enum http_error http_error, const char *format, ...)
{
    va_list arguments;

    if ((request->route->methods & ROUTE_COUNTS) != 0) {
        request->visit_status = rows[http_error].visit_status;
    }
    va_start(arguments, format);
    respond_verror(request, rows[http_error].http_status, rows[http_error].code, format, arguments);
    va_end(arguments);
}
