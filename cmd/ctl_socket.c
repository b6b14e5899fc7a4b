/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "ctl_socket.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

/** Returns an environment variable, or `fallback` if it is empty or absent. */
static const char *getenv_or(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : fallback;
}

static const char *run_dir(void)
{
    return getenv_or("VISITCOUNTCTL_RUN_DIR", CTL_RUN_DIR);
}

static enum ctl_exit use_path(const char *path, struct ctl_socket *ret_socket, struct buf *error)
{
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(ret_socket->path)) {
        buf_printf(error, "admin socket \"%s\": expected a path of 1 to %zu bytes, got %zu", path,
                   sizeof(ret_socket->path) - 1, length);
        return CTL_USAGE;
    }
    memcpy(ret_socket->path, path, length + 1);
    return CTL_DONE;
}

static enum ctl_exit use_instance(const char *name, struct ctl_socket *ret_socket,
                                  struct buf *error)
{
    struct buf path = BUF_EMPTY;
    enum ctl_exit result;

    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
        buf_printf(
            error,
            "--instance: expected the name of a directory in %s, without '/' and not beginning with "
            "'.', got \"%s\"",
            run_dir(), name);
        return CTL_USAGE;
    }
    buf_printf(&path, "%s/%s/admin.sock", run_dir(), name);
    result = use_path(path.bytes, ret_socket, error);
    buf_finish(&path);
    return result;
}

/** Uses the daemon's variable for admin.socket. %i becomes the name of its instance. */
static enum ctl_exit use_preset(const char *pattern, struct ctl_socket *ret_socket,
                                struct buf *error)
{
    const char *name = getenv_or("VISITCOUNTD_INSTANCE", "default");
    struct buf path = BUF_EMPTY;
    enum ctl_exit result;

    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] == '%' && pattern[1] == 'i') {
            buf_puts(&path, name);
            pattern++;
        } else {
            pattern += pattern[0] == '%' && pattern[1] == '%';
            buf_putc(&path, *pattern);
        }
    }
    result = use_path(path.bytes, ret_socket, error);
    buf_finish(&path);
    return result;
}

/* Several instances */

void ctl_socket_put_instance(struct buf *out, const struct ctl_socket *socket)
{
    const char *end = strrchr(socket->path, '/');
    const char *start = end;

    if (end == NULL) {
        buf_puts(out, socket->path);
        return;
    }
    while (start > socket->path && start[-1] != '/') {
        start--;
    }
    buf_append(out, start, (size_t)(end - start));
}

/** Appends the pattern for glob(3) of all sockets in the run directory. */
static void put_pattern(struct buf *out, const char *directory)
{
    for (; *directory != '\0'; directory++) {
        if (strchr("*?[\\", *directory) != NULL) {
            buf_putc(out, '\\');
        }
        buf_putc(out, *directory);
    }
    buf_puts(out, "/*/admin.sock");
}

/** Compares names by their numbers, so that 10 comes after 9. */
static int compare_sockets(const void *a, const void *b)
{
    return strverscmp(((const struct ctl_socket *)a)->path, ((const struct ctl_socket *)b)->path);
}

static void make_room(struct ctl_sockets *sockets, size_t count)
{
    sockets->sockets = alloc_zero(count != 0 ? count : 1, sizeof(*sockets->sockets));
    sockets->count = count;
}

static enum ctl_exit use_all(struct ctl_sockets *ret_sockets, struct buf *error)
{
    struct buf pattern = BUF_EMPTY;
    glob_t found = {0};
    enum ctl_exit result = CTL_DONE;

    put_pattern(&pattern, run_dir());
    glob(pattern.bytes, 0, NULL, &found);
    if (found.gl_pathc == 0) {
        buf_printf(
            error,
            "found no %s/*/admin.sock: visitcountd does not run, or its socket is elsewhere (name it "
            "with --socket), or you are not in the group visitcountd",
            run_dir());
        result = CTL_UNREACHABLE;
    }
    make_room(ret_sockets, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc && result == CTL_DONE; i++) {
        result = use_path(found.gl_pathv[i], &ret_sockets->sockets[i], error);
    }
    qsort(ret_sockets->sockets, ret_sockets->count, sizeof(*ret_sockets->sockets), compare_sockets);
    globfree(&found);
    buf_finish(&pattern);
    return result;
}

enum ctl_exit ctl_sockets_find(const char *path, const char *name, struct ctl_sockets *ret_sockets,
                               struct buf *error)
{
    const char *preset = getenv_or("VISITCOUNTD_ADMIN_SOCKET", NULL);

    *ret_sockets = (struct ctl_sockets){0};
    if (path == NULL && name == NULL && preset == NULL) {
        return use_all(ret_sockets, error);
    }
    make_room(ret_sockets, 1);
    if (path != NULL) {
        return use_path(path, ret_sockets->sockets, error);
    }
    if (name != NULL) {
        return use_instance(name, ret_sockets->sockets, error);
    }
    return use_preset(preset, ret_sockets->sockets, error);
}

void ctl_sockets_finish(struct ctl_sockets *sockets)
{
    free(sockets->sockets);
    *sockets = (struct ctl_sockets){0};
}

enum ctl_exit ctl_sockets_expect_one(const struct ctl_sockets *sockets, struct buf *error)
{
    if (sockets->count == 1) {
        return CTL_DONE;
    }
    buf_printf(error, "%s has the sockets of %zu instances: ", run_dir(), sockets->count);
    for (size_t i = 0; i < sockets->count; i++) {
        buf_puts(error, i != 0 ? ", " : "");
        ctl_socket_put_instance(error, &sockets->sockets[i]);
    }
    buf_puts(error, "; name one, for example with --instance ");
    ctl_socket_put_instance(error, &sockets->sockets[0]);
    return CTL_USAGE;
}

enum ctl_exit ctl_socket_find(const char *path, const char *name, struct ctl_socket *ret_socket,
                              struct buf *error)
{
    struct ctl_sockets found;
    enum ctl_exit result = ctl_sockets_find(path, name, &found, error);

    if (result == CTL_DONE) {
        result = ctl_sockets_expect_one(&found, error);
    }
    if (result == CTL_DONE) {
        *ret_socket = found.sockets[0];
    }
    ctl_sockets_finish(&found);
    return result;
}
