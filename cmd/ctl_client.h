/* SPDX-License-Identifier: MIT */
/**
 * ctl_client: one HTTP request over an admin socket. Blocks, within a deadline.
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
    uint64_t
        timeout_ms; /* > 0; for all of it: connecting, asking and the last byte of the answer */
};

struct ctl_answer {
    int status;
    struct buf body;
};

/**
 * Asks. True with the daemon's answer, whose body the caller frees, or false with one line saying
 * why there is none appended to `error`.
 */
bool ctl_ask(const struct ctl_socket *socket, const struct ctl_request *request,
             struct ctl_answer *ret_answer, struct buf *error);

/** Takes some bytes of a body as they come; false: no more are wanted. */
typedef bool (*ctl_on_bytes)(void *data, const char *bytes, size_t length);

/**
 * Asks for an answer of any length. `timeout_ms` is how long nothing may come. The body of a
 * success goes to `on_bytes`; that of another status to `ret_answer`, whose body the caller frees.
 * True when the daemon answered, whether or not the body came to its end.
 */
bool ctl_stream(const struct ctl_socket *socket, const struct ctl_request *request,
                ctl_on_bytes on_bytes, void *data, struct ctl_answer *ret_answer,
                struct buf *error);

#endif
