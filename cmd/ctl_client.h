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

#endif
