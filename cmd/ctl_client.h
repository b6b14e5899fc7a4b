/* SPDX-License-Identifier: MIT */
/**
 * ctl_client: which admin socket is meant, and one HTTP request over it. Blocks, within a deadline.
 */
#ifndef VISITCOUNTD_CMD_CTL_CLIENT_H
#define VISITCOUNTD_CMD_CTL_CLIENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

/** Where instances have their directories, each with its socket; $VISITCOUNTCTL_RUN_DIR instead. */
#define CTL_RUN_DIR "/run/visitcountd"

/** How a command ends; see visitcountctl(1). */
enum ctl_exit {
    CTL_DONE = 0,
    CTL_REFUSED = 1,
    CTL_UNREACHABLE = 2,
    CTL_USAGE = 64,
    CTL_OUTPUT = 74
};

struct ctl_socket {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/**
 * The socket that is meant: `path`; the one of the instance `name`; $VISITCOUNTD_ADMIN_SOCKET; or
 * the only one in the run directory. At most one of `path` and `name` is not NULL. Unless CTL_DONE
 * is returned, one line saying why is appended to `error`.
 */
enum ctl_exit ctl_find_socket(const char *path, const char *name, struct ctl_socket *ret_socket,
                              struct buf *error);

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
