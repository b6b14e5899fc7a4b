/* SPDX-License-Identifier: MIT */
/**
 * listener: sockets that listen: TCP, unix, and those that systemd hands over. Only descriptors and
 * files here; server accepts from them.
 *
 * A unix socket appears under its path in one step, ready to be connected to, and takes the place
 * of one that nobody serves any more. PATH.lock is locked as long as it is served, so that of two
 * processes with one path the second is refused.
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
    /* of a unix socket that is ours */
    int lock_fd; /* -1 for others */
    dev_t device;
    ino_t inode;
    gid_t group;
};

/** Who may connect to a unix socket. */
enum listener_access {
    LISTENER_ANYONE, /* 0666: the directory's permissions limit it */
    LISTENER_GROUP   /* 0660 and group visitcountd, where it exists and we may give it away */
};

/** Most sockets that one address opens: a name may stand for several. */
#define LISTENER_ADDRESS_MAX 8

/**
 * Listens on `address`: one socket, or one for each address of a host's name. Returns how many, or
 * 0 after appending a line that begins with `name` ("http.listen 127.0.0.1:8080") to `errors`.
 * Resolves names, so it may block.
 */
size_t listener_open(const char *name, const struct address *address, enum listener_access access,
                     struct listener_socket ret_sockets[LISTENER_ADDRESS_MAX], struct buf *errors);

/** Takes over a listening socket; 0, or -EINVAL after appending a line to `errors`. Owns `fd`. */
int listener_inherit(int fd, struct listener_socket *ret_socket, struct buf *errors);

/** Takes a unix socket of ours out of the file system: nobody can connect from here on. */
void listener_unlink(struct listener_socket *socket);

/** listener_unlink(), and closes the descriptor unless it is -1. */
void listener_close(struct listener_socket *socket);

/**
 * Whether the peer of a connection to a unix socket of access LISTENER_GROUP may speak with us:
 * root, our own user, or a member of the socket's group. Fills in who it is.
 */
bool listener_admits(const struct listener_socket *socket, int connection_fd, uid_t *ret_uid,
                     pid_t *ret_pid);

#endif
