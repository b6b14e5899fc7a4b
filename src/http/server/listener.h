/* SPDX-License-Identifier: MIT */
/**
 * listener: opens listening sockets: TCP, unix, and those inherited from systemd. It handles
 * descriptors and files only; acceptor accepts connections from them.
 *
 * A unix socket is created under a temporary name and renamed to its path when clients can connect.
 * It replaces a stale socket at that path. PATH.lock stays locked while the socket is served, so a
 * second process with the same path is refused.
 */
#ifndef VISITCOUNTD_HTTP_LISTENER_H
#define VISITCOUNTD_HTTP_LISTENER_H

#include "base/buf.h"
#include "base/units.h"

#include <stdbool.h>
#include <sys/types.h>

/** An open listener. */
struct listener_socket {
    int fd;
    struct address address; /* as bound */
    bool is_inherited;
    /* only for a unix socket that we created */
    int lock_fd; /* -1 for others */
    dev_t device;
    ino_t inode;
    gid_t group;
};

/** Who may connect to a unix socket. */
enum listener_access {
    LISTENER_ANYONE, /* 0666: only the directory's permissions restrict access */
    LISTENER_GROUP   /* 0660 and group visitcountd, if it exists and we may chown to it */
};

/** The most sockets for one address: a host name may resolve to several. */
#define LISTENER_ADDRESS_MAX 8

/**
 * Listens on `address`. Opens one socket, or one for each address of a host name. Returns the
 * number of sockets. On failure returns 0 and appends a line to `errors` that begins with `name`
 * ("http.listen 127.0.0.1:8080"). Resolves names, so it may block.
 */
size_t listener_open(const char *name, const struct address *address, enum listener_access access,
                     struct listener_socket ret_sockets[LISTENER_ADDRESS_MAX], struct buf *errors);

/**
 * Takes over a listening socket and the ownership of `fd`. Returns 0, or -EINVAL after appending a
 * line to `errors`.
 */
int listener_inherit(int fd, struct listener_socket *ret_socket, struct buf *errors);

/** Unlinks a unix socket that we created. Clients can no longer connect to it. */
void listener_unlink(struct listener_socket *socket);

/** Calls listener_unlink(), then closes the descriptor unless it is -1. */
void listener_close(struct listener_socket *socket);

/**
 * Whether the peer of a connection to a LISTENER_GROUP socket is allowed: root, our own user, or a
 * member of the socket's group. Fills in the peer's user and process.
 */
bool listener_admits(const struct listener_socket *socket, int connection_fd, uid_t *ret_uid,
                     pid_t *ret_pid);

#endif
