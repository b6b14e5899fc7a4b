/* SPDX-License-Identifier: MIT */
/**
 * ctl_socket: which admin sockets are meant.
 */
#ifndef VISITCOUNTD_CMD_CTL_SOCKET_H
#define VISITCOUNTD_CMD_CTL_SOCKET_H

#include "base/buf.h"

#include <stddef.h>
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

struct ctl_sockets {
    struct ctl_socket *sockets;
    size_t count;
};

/**
 * The sockets that may be meant: `path`; the one of the instance `name`; $VISITCOUNTD_ADMIN_SOCKET;
 * or all in the run directory, by the names of their instances. At most one of `path` and `name` is
 * not NULL. Unless CTL_DONE is returned, one line saying why is appended to `error`. In any case
 * the caller ends with ctl_sockets_finish().
 */
enum ctl_exit ctl_find_sockets(const char *path, const char *name, struct ctl_sockets *ret_sockets,
                               struct buf *error);
void ctl_sockets_finish(struct ctl_sockets *sockets);

/** CTL_USAGE, with the names of the instances appended to `error`, where there are several. */
enum ctl_exit ctl_expect_one(const struct ctl_sockets *sockets, struct buf *error);

/** The one that is meant, where only one may be. */
enum ctl_exit ctl_find_socket(const char *path, const char *name, struct ctl_socket *ret_socket,
                              struct buf *error);

/** Appends the name of the instance whose socket in the run directory this is. */
void ctl_put_instance(struct buf *out, const struct ctl_socket *socket);

#endif
