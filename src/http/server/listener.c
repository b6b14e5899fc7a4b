/* SPDX-License-Identifier: MIT */
#include "http/server/listener.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* the kernel clips it to net.core.somaxconn */
#define BACKLOG 65535

#define GROUP_NAME "visitcountd"

/** One line: "http.listen 127.0.0.1:8080: address already in use". Returns -1. */
static int fail(struct buf *errors, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct buf *errors, const char *name, const char *format, ...)
{
    va_list arguments;

    buf_printf(errors, "%s: ", name);
    va_start(arguments, format);
    buf_vprintf(errors, format, arguments);
    va_end(arguments);
    buf_putc(errors, '\n');
    return -1;
}

/** A text of the C library, beginning in lower case as our lines do. */
static const char *in_lower_case(const char *message)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s", message);
    text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

static const char *error_text(int error)
{
    return in_lower_case(strerror(error));
}

/* TCP */

/** Fills `ret_address` with what the socket is bound to. */
static int read_address(int fd, struct address *ret_address)
{
    struct sockaddr_storage storage;
    struct sockaddr_un *local = (struct sockaddr_un *)&storage;
    socklen_t length = sizeof(storage);
    char port[8];

    memset(&storage, 0, sizeof(storage));
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0) {
        return -errno;
    }
    *ret_address = (struct address){.is_unix = storage.ss_family == AF_UNIX};
    if (ret_address->is_unix) {
        memcpy(ret_address->path, local->sun_path, sizeof(ret_address->path) - 1);
        if (local->sun_path[0] == '\0') {
            ret_address->path[0] = '@'; /* an abstract name (unix(7)) */
        }
        return 0;
    }
    if (getnameinfo((struct sockaddr *)&storage, length, ret_address->host,
                    sizeof(ret_address->host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return -EAFNOSUPPORT;
    }
    ret_address->port = (uint16_t)strtoul(port, NULL, 10);
    return 0;
}

/** A socket that listens on one resolved address, or -errno. */
static int listen_tcp(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    int on = 1;

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (info->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

/** Whether a name may be served without this one of its addresses: this machine does not have it.
 */
static bool is_absent(int error)
{
    return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

static size_t open_tcp(const char *name, const struct address *address,
                       struct listener_socket *ret_sockets, struct buf *errors)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *infos;
    size_t count = 0;
    char port[8];
    int error;

    snprintf(port, sizeof(port), "%u", address->port);
    error = getaddrinfo(address->host, port, &hints, &infos);
    if (error != 0) {
        fail(errors, name, "%s",
             in_lower_case(error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error)));
        return 0;
    }
    error = 0;
    for (struct addrinfo *info = infos; info != NULL && count < LISTENER_ADDRESS_MAX;
         info = info->ai_next) {
        int fd = listen_tcp(info);

        if (fd >= 0) {
            ret_sockets[count] = (struct listener_socket){.fd = fd, .lock_fd = -1};
            read_address(fd, &ret_sockets[count++].address);
        } else if (error == 0 || is_absent(error)) {
            error = fd;
        }
    }
    freeaddrinfo(infos);
    if (error != 0 && (count == 0 || !is_absent(error))) {
        while (count > 0) {
            listener_close(&ret_sockets[--count]);
        }
        fail(errors, name, "%s", error_text(-error));
    }
    return count;
}

/* Unix sockets */

/** Makes the directory of `path`, and those above it, where they are missing. */
static int make_directory(const char *path)
{
    char directory[PATH_MAX];
    size_t length = strlen(path);

    memcpy(directory, path, length + 1);
    for (size_t at = 1; at < length; at++) {
        if (path[at] != '/') {
            continue;
        }
        directory[at] = '\0';
        if (access(directory, F_OK) != 0) {
            if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
                return -1;
            }
            (void)chmod(directory, 0755); /* whatever the umask */
        }
        directory[at] = '/';
    }
    return 0;
}

/** Locks PATH.lock for this process: its descriptor, or -1 with EWOULDBLOCK or another error. */
static int lock_path(const char *path)
{
    char name[PATH_MAX];
    struct stat opened;
    struct stat named;
    int fd;

    snprintf(name, sizeof(name), "%s.lock", path);
    for (;;) {
        fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &opened) != 0) {
            int error = errno;

            close(fd);
            errno = error;
            return -1;
        }
        /* the one who had it before us may have removed the file that we opened */
        if (stat(name, &named) == 0 && named.st_ino == opened.st_ino &&
            named.st_dev == opened.st_dev) {
            return fd;
        }
        close(fd);
    }
}

static void unlock_path(const char *path, int lock_fd)
{
    char name[PATH_MAX];

    snprintf(name, sizeof(name), "%s.lock", path);
    unlink(name);
    close(lock_fd);
}

static struct sockaddr_un unix_name(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    memcpy(name.sun_path, path, strlen(path) + 1);
    return name;
}

/** Whether something that is not stale is at `path`; then one line was appended. */
static bool is_occupied(const char *name, const struct address *address, struct buf *errors)
{
    struct sockaddr_un peer = unix_name(address->path);
    struct stat status;
    int error = 0;
    int fd;

    if (lstat(address->path, &status) != 0) {
        return false;
    }
    if (!S_ISSOCK(status.st_mode)) {
        fail(errors, name, "exists and is not a socket");
        return true;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) != 0) {
        error = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error == ECONNREFUSED || error == ENOENT) {
        return false;
    }
    if (error == 0 || error == EAGAIN) { /* EAGAIN: its queue is full */
        fail(errors, name, "is served by another process");
    } else {
        fail(errors, name, "cannot tell whether it is served: %s", error_text(error));
    }
    return true;
}

/** A name of the same length or one more, in the same directory; ours by the lock. */
static struct sockaddr_un temporary_name(const char *path)
{
    struct sockaddr_un name = unix_name(path);
    size_t length = strlen(path);

    if (length + 1 < sizeof(name.sun_path)) {
        name.sun_path[length] = '~';
    } else {
        name.sun_path[length - 1] = path[length - 1] == '~' ? '^' : '~';
    }
    return name;
}

/** Sets owner and mode of a new socket. */
static int set_access(const char *path, enum listener_access access)
{
    if (access == LISTENER_GROUP) {
        const struct group *group = getgrnam(GROUP_NAME);

        if (group != NULL) {
            /* if we may not, its group is ours */
            (void)!chown(path, (uid_t)-1, group->gr_gid);
        }
    }
    return chmod(path, access == LISTENER_GROUP ? 0660 : 0666);
}

/** A listening unix socket that appears under `path` when it is complete; -1 with errno. */
static int bind_and_rename(const char *path, enum listener_access access)
{
    struct sockaddr_un temporary = temporary_name(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0) {
        return -1;
    }
    unlink(temporary.sun_path);
    if (bind(fd, (struct sockaddr *)&temporary, sizeof(temporary)) == 0) {
        if (set_access(temporary.sun_path, access) == 0 && listen(fd, BACKLOG) == 0 &&
            rename(temporary.sun_path, path) == 0) {
            return fd;
        }
        error = errno;
        unlink(temporary.sun_path);
        errno = error;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_unix(const char *name, const struct address *address, enum listener_access access,
                     struct listener_socket *ret_socket, struct buf *errors)
{
    struct listener_socket opened = {.address = *address};
    const char *path = address->path;
    struct stat status;

    if (make_directory(path) != 0) {
        return fail(errors, name, "cannot make its directory: %s", error_text(errno));
    }
    opened.lock_fd = lock_path(path);
    if (opened.lock_fd < 0) {
        return errno == EWOULDBLOCK
                   ? fail(errors, name, "is served by another process")
                   : fail(errors, name, "cannot lock %s.lock: %s", path, error_text(errno));
    }
    if (is_occupied(name, address, errors)) {
        unlock_path(path, opened.lock_fd);
        return -1;
    }
    opened.fd = bind_and_rename(path, access);
    if (opened.fd < 0) {
        fail(errors, name, "%s", error_text(errno));
        unlock_path(path, opened.lock_fd);
        return -1;
    }
    if (stat(path, &status) == 0) {
        opened.device = status.st_dev;
        opened.inode = status.st_ino;
        opened.group = status.st_gid;
    }
    *ret_socket = opened;
    return 0;
}

/* All kinds */

size_t listener_open(const char *name, const struct address *address, enum listener_access access,
                     struct listener_socket ret_sockets[LISTENER_ADDRESS_MAX], struct buf *errors)
{
    if (address->is_unix) {
        return open_unix(name, address, access, ret_sockets, errors) == 0 ? 1 : 0;
    }
    return open_tcp(name, address, ret_sockets, errors);
}

int listener_inherit(int fd, struct listener_socket *ret_socket, struct buf *errors)
{
    struct listener_socket inherited = {.fd = fd, .is_inherited = true, .lock_fd = -1};
    socklen_t length = sizeof(int);
    int listens = 0;
    int type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || listens == 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM ||
        read_address(fd, &inherited.address) != 0) {
        buf_printf(errors, "inherited socket %d: is not a stream socket that listens\n", fd);
        close(fd);
        return -EINVAL;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        buf_printf(errors, "inherited socket %d: %s\n", fd, error_text(errno));
        close(fd);
        return -EINVAL;
    }
    *ret_socket = inherited;
    return 0;
}

void listener_unlink(struct listener_socket *socket)
{
    const char *path = socket->address.path;
    struct stat status;

    if (socket->lock_fd < 0) {
        return;
    }
    if (lstat(path, &status) == 0 && status.st_dev == socket->device &&
        status.st_ino == socket->inode) {
        unlink(path);
    }
    unlock_path(path, socket->lock_fd);
    socket->lock_fd = -1;
}

void listener_close(struct listener_socket *socket)
{
    listener_unlink(socket);
    if (socket->fd >= 0) {
        close(socket->fd);
        socket->fd = -1;
    }
}

/** Whether `group` is among the peer's supplementary groups (Linux 4.13). */
static bool peer_has_group(int fd, gid_t group)
{
    gid_t groups[256];
    socklen_t length = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) {
        return false;
    }
    for (size_t i = 0; i < length / sizeof(groups[0]); i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

bool listener_admits(const struct listener_socket *socket, int connection_fd, uid_t *ret_uid,
                     pid_t *ret_pid)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t length = sizeof(peer);

    if (getsockopt(connection_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        return false;
    }
    *ret_uid = peer.uid;
    *ret_pid = peer.pid;
    return peer.uid == 0 || peer.uid == geteuid() || peer.gid == socket->group ||
           peer_has_group(connection_fd, socket->group);
}
