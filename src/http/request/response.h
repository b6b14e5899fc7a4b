/* SPDX-License-Identifier: MIT */
/**
 * response: answers requests and sets the headers that all answers share.
 */
#ifndef VISITCOUNTD_HTTP_RESPONSE_H
#define VISITCOUNTD_HTTP_RESPONSE_H

#include "base/buf.h"
#include "http/request/request.h"

#include <h2o.h>

#include <stdarg.h>
#include <stddef.h>

/** A header in addition to those that response_send() sets. */
struct response_header {
    const h2o_token_t *token; /* or NULL: use `name`, in lower case */
    const char *name;
    h2o_iovec_t value; /* static, or in the request's pool */
};

/**
 * An answer. `body` is static or in the request's pool. To answer a HEAD, set the body of a GET;
 * without a body there is no Content-Length.
 */
struct response {
    int status;
    const char *content_type;
    h2o_iovec_t body;
    const struct response_header *headers;
    size_t header_count;
    const char *cache_control; /* NULL: no-store, max-age=0 */
};

/**
 * Reserves memory for a body of `bytes`, until the client has taken the answer. Returns false if
 * large answers of visitors take too much already; then answer with an error. Bodies of up to
 * 16 KiB, and those of operators, always have room.
 */
bool response_reserve(struct request *request, size_t bytes);

/**
 * Sends the answer and ends the request. Sets Content-Type, Content-Length, Cache-Control and
 * X-Content-Type-Options, CORS headers on public tables, and Cross-Origin-Resource-Policy on
 * private answers. While the server drains it adds
 * `Connection: close`.
 */
void response_send(struct request *request, const struct response *response);

/**
 * Begins an answer of unknown length by sending its headers. The caller sends the body with
 * h2o_send(). `generator` is in the request's pool.
 */
void response_send_stream(struct request *request, const struct response *response,
                          h2o_generator_t *generator);

/** Sends a copy of `body`. */
void response_send_buf(struct request *request, int status, const char *content_type,
                       const struct buf *body);

/**
 * Sends {"error":{"code","message"}} or the error in the request's format. `code` is for programs
 * ("bad_path"); `format` makes the message. 503 and 504 have Retry-After: 1 unless
 * request->retry_after_s is set.
 */
void response_send_error(struct request *request, int status, const char *code, const char *format,
                         ...) __attribute__((format(printf, 4, 5)));
void response_send_verror(struct request *request, int status, const char *code, const char *format,
                          va_list arguments) __attribute__((format(printf, 4, 0)));

/** Like response_send_verror(), with one more header. `header` may be NULL. */
void response_send_verror_with(struct request *request, int status,
                               const struct response_header *header, const char *code,
                               const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));

#define RESPONSE_JSON "application/json"

/** Appends {"error":{"code","message"}} and a newline. */
void response_put_error_json(struct buf *out, const char *code, const char *message);

/** An error: its code, its message, and both as a JSON document. */
struct response_error {
    const char *code;
    const char *message;
    const struct buf *json;
};

/** The part of a format that response needs. format.h has the rest. */
struct response_format {
    const char *suffix; /* suffix of the paths of its routes; NULL: none */
    /** Sends an error in this format. `header` may be NULL. NULL: errors are JSON. */
    void (*respond_error)(struct request *request, int status, const struct response_header *header,
                          const struct response_error *error);
};

#endif
