/* SPDX-License-Identifier: MIT */
/**
 * ctl_socket: finds the admin sockets for a command.
 */
#ifndef VISITCOUNTD_CMD_CTL_SOCKET_H
#define VISITCOUNTD_CMD_CTL_SOCKET_H

#include "base/buf.h"

#include <stddef.h>
#include <sys/un.h>

/** Directory of the instances' directories and sockets. $VISITCOUNTCTL_RUN_DIR overrides it. */
#define CTL_RUN_DIR "/run/visitcountd"

/** The exit status of a command; see visitcountctl(1). */
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

struct ctl_sockets {
    struct ctl_socket *sockets;
    size_t count;
};

/**
 * Finds the sockets for a command. Uses the first of these: `path`; the socket of the instance
 * `name`; $VISITCOUNTD_ADMIN_SOCKET; all sockets in the run directory, sorted by the names of their
 * instances. At most one of `path` and `name` is not NULL. If the result is not CTL_DONE, appends a
 * line with the reason to `error`. The caller always calls ctl_sockets_finish().
 */
enum ctl_exit ctl_sockets_find(const char *path, const char *name, struct ctl_sockets *ret_sockets,
                               struct buf *error);
void ctl_sockets_finish(struct ctl_sockets *sockets);

/** Returns CTL_DONE for one socket. For several, CTL_USAGE, with their names in `error`. */
enum ctl_exit ctl_sockets_expect_one(const struct ctl_sockets *sockets, struct buf *error);

/** Finds the socket for a command that takes one instance only. */
enum ctl_exit ctl_socket_find(const char *path, const char *name, struct ctl_socket *ret_socket,
                              struct buf *error);

/** Appends the name of the instance that has this socket in the run directory. */
void ctl_socket_put_instance(struct buf *out, const struct ctl_socket *socket);

#endif
