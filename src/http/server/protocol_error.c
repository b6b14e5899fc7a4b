/* SPDX-License-Identifier: MIT */
#include "http/server/protocol_error.h"

#include "http/server/connection.h"

#include <string.h>

static const struct {
    int status;
    h2o_iovec_t body;
} errors[] = {
    {413,
     {H2O_STRLIT("{\"error\":{\"code\":\"body_too_large\","
                 "\"message\":\"a request body may have 64 KiB\"}}\n")}},
    {417,
     {H2O_STRLIT("{\"error\":{\"code\":\"expectation_failed\","
                 "\"message\":\"the only expectation is 100-continue\"}}\n")}},
    {503,
     {H2O_STRLIT("{\"error\":{\"code\":\"shutting_down\","
                 "\"message\":\"the server ends\"}}\n")}},
    {400,
     {H2O_STRLIT("{\"error\":{\"code\":\"bad_request\","
                 "\"message\":\"the request body is broken\"}}\n")}},
};

#define ERROR_COUNT (sizeof(errors) / sizeof(errors[0]))

struct error_filter {
    h2o_filter_t super;
    bool is_public;
};

/** Replaces libh2o's text in the stream of an answer. */
struct error_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_body(h2o_ostream_t *ostream, h2o_req_t *req, h2o_iovec_t *buffers, size_t count,
                      h2o_send_state_t state)
{
    struct error_stream *stream = (struct error_stream *)ostream;

    (void)buffers;
    h2o_ostream_send_next(ostream, req, &stream->body, count != 0 ? 1 : 0, state);
}

static void on_setup(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    static const char type[] = "application/json";
    struct error_stream *stream;
    size_t index = 0;

    if (req->compress_hint != H2O_COMPRESS_HINT_DISABLE) { /* set by response_send() */
        while (index < ERROR_COUNT - 1 && errors[index].status != req->res.status) {
            index++;
        }
        stream = (struct error_stream *)h2o_add_ostream(req, sizeof(*stream), slot);
        stream->super.do_send = send_body;
        stream->body = errors[index].body;
        req->res.content_length = stream->body.len;
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, type,
                       sizeof(type) - 1, 1);
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL,
                       H2O_STRLIT("no-store, max-age=0"));
        if (((struct error_filter *)filter)->is_public) {
            h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ACCESS_CONTROL_ALLOW_ORIGIN,
                           NULL, H2O_STRLIT("*"));
        }
        connection_linger(req->conn->callbacks->get_socket(req->conn));
        slot = &stream->super.next;
    }
    h2o_setup_next_ostream(req, slot);
}

void protocol_error_register(h2o_pathconf_t *pathconf, bool is_public)
{
    struct error_filter *filter =
        (struct error_filter *)h2o_create_filter(pathconf, sizeof(*filter));

    filter->super.on_setup_ostream = on_setup;
    filter->is_public = is_public;
}
