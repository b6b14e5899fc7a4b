/* SPDX-License-Identifier: MIT */
#include "http/request/http_error.h"

#include "http/request/response.h"
#include "http/request/router.h"

static const struct {
    int http_status;
    const char *code;
    enum visit_outcome outcome;
} rows[] = {
#define HTTP_ERROR(id, http_status, code, outcome) \
    [HTTP_ERROR_##id] = {http_status, code, OUTCOME_##outcome},
#define SERVER_ERROR(http_status, code, outcome)
#include "http/request/http_errors.def"
#undef SERVER_ERROR
#undef HTTP_ERROR
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
