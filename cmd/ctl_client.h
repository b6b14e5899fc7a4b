/* SPDX-License-Identifier: MIT */
/**
 * ctl_client: sends one HTTP request over an admin socket. Blocks until the answer or a timeout.
 */
#ifndef VISITCOUNTD_CMD_CTL_CLIENT_H
#define VISITCOUNTD_CMD_CTL_CLIENT_H

#include "base/buf.h"
#include "ctl_socket.h"

#include <stdbool.h>
#include <stdint.h>

struct ctl_request {
    const char *method;
    const char *target;
    bool wants_json;
    bool is_plain; /* even with wants_json a successful answer is not one JSON value */
    uint64_t
        timeout_ms; /* > 0; limits the whole exchange, from connect to the answer's last byte */
};

struct ctl_answer {
    int status;
    struct buf body;
};

/**
 * Sends a request and receives the answer. On success returns true; the caller frees the body of
 * the answer. On failure returns false and appends a line with the reason to `error`.
 */
bool ctl_client_ask(const struct ctl_socket *socket, const struct ctl_request *request,
                    struct ctl_answer *ret_answer, struct buf *error);

/** Receives the next bytes of a body. Returns false to stop. */
typedef bool (*ctl_on_bytes)(void *data, const char *bytes, size_t length);

/**
 * Sends a request whose answer may have any length. `timeout_ms` is the longest wait for the next
 * bytes. Passes the body of a successful answer to `on_bytes`. Stores the body of another status in
 * `ret_answer`; the caller frees it. Returns true if the daemon answered, even if the body is
 * incomplete. Otherwise returns false and appends a line with the reason to `error`.
 */
bool ctl_client_stream(const struct ctl_socket *socket, const struct ctl_request *request,
                       ctl_on_bytes on_bytes, void *data, struct ctl_answer *ret_answer,
                       struct buf *error);

#endif
