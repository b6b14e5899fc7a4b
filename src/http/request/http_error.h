/* SPDX-License-Identifier: MIT */
/**
 * http_error: the reasons for refusing a visitor's request. Each is a row of http_errors.def with
 * its Visitcount-Status, HTTP status and error code.
 */
#ifndef VISITCOUNTD_HTTP_HTTP_ERROR_H
#define VISITCOUNTD_HTTP_HTTP_ERROR_H

#include "http/request/request.h"

/** HTTP_ERROR_OUTCOME_UNKNOWN is not a refusal: the visit may have been counted. */
enum http_error {
#define HTTP_ERROR(id, http_status, code, outcome) HTTP_ERROR_##id,
#define SERVER_ERROR(http_status, code, outcome)
#include "http/request/http_errors.def"
#undef SERVER_ERROR
#undef HTTP_ERROR
};

/** Answers the request with the error. `format` makes the readable message. */
void http_error_respond(struct request *request, enum http_error http_error, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

#endif
