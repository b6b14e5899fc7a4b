/* SPDX-License-Identifier: MIT */
#include "ctl_backup.h"

#include "base/units.h"
#include "ctl_perform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_SUFFIX ".part-XXXXXX"

/* longest line before the copy */
#define LINE_MAX_BYTES 512

struct backup {
    int fd;
    struct buf line; /* the partial line, until the copy begins */
    bool has_begun;
    uint64_t bytes; /* size of the copy */
    uint64_t written;
    enum ctl_exit failure; /* the result if the copy is incomplete */
    struct buf *error;
};

/* the incomplete file; the signal handler removes it */
static char part_path[PATH_MAX];

static void on_interrupt(int number)
{
    unlink(part_path);
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_interrupts(bool is_watched)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;

        /* signals that nohup made the command ignore stay ignored */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            signal(numbers[i], is_watched ? on_interrupt : SIG_DFL);
        }
    }
}

/* --- receiving --- */

static bool fail(struct backup *backup, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct backup *backup, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(backup->error, format, arguments);
    va_end(arguments);
    return false;
}

/* handles a line "copying", "bytes N" or "error MESSAGE" */
static bool parse_line(struct backup *backup)
{
    static const char bytes[] = "bytes ";
    static const char error[] = "error ";
    const char *line = backup->line.bytes;

    if (strncmp(line, bytes, sizeof(bytes) - 1) == 0 &&
        units_parse_u64(line + sizeof(bytes) - 1, &backup->bytes) == 0) {
        backup->has_begun = true;
    } else if (strncmp(line, error, sizeof(error) - 1) == 0) {
        backup->failure = CTL_REFUSED;
        return fail(backup, "%s", line + sizeof(error) - 1);
    } else if (strcmp(line, "copying") != 0) {
        return fail(backup, "the daemon's answer is not understood; it may be of another version");
    }
    buf_clear(&backup->line);
    return true;
}

static bool write_bytes(struct backup *backup, const char *bytes, size_t length)
{
    if (length > backup->bytes - backup->written) {
        return fail(backup, "the daemon sent more than it said");
    }
    while (length != 0) {
        ssize_t n = write(backup->fd, bytes, length);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            backup->failure = CTL_OUTPUT;
            return fail(backup, "%s: %s", part_path, strerror(n < 0 ? errno : ENOSPC));
        }
        bytes += n;
        length -= (size_t)n;
        backup->written += (uint64_t)n;
    }
    return true;
}

static bool on_bytes(void *data, const char *bytes, size_t length)
{
    struct backup *backup = data;
    const char *end = bytes + length;

    while (!backup->has_begun && bytes < end) {
        char c = *bytes++;

        if (c != '\n' && backup->line.length < LINE_MAX_BYTES) {
            buf_putc(&backup->line, c);
        } else if (!parse_line(backup)) {
            return false;
        }
    }
    return bytes == end || write_bytes(backup, bytes, (size_t)(end - bytes));
}

static enum ctl_exit receive(struct backup *backup, const struct ctl_socket *socket,
                             struct ctl_request request, struct buf *out)
{
    struct ctl_answer answer = {0};

    request.method = "POST";
    request.target = "/backup";
    if (!ctl_client_stream(socket, &request, on_bytes, backup, &answer, backup->error)) {
        return CTL_UNREACHABLE;
    }
    if (answer.status >= 300) {
        ctl_perform_put_refusal(socket, &answer, request.wants_json, out, backup->error);
        buf_finish(&answer.body);
        return CTL_REFUSED;
    }
    if (backup->has_begun && backup->written == backup->bytes) {
        return CTL_DONE;
    }
    if (backup->error->length == 0) {
        fail(
            backup,
            "%s: the answer was cut off: the instance ended, or the file took nothing for longer than "
            "http.idle_timeout",
            socket->path);
    }
    return backup->failure;
}

/* --- the file --- */

/* gets the directory of a path; "." if the path has none */
static void directory_of(const char *path, char ret_directory[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        strcpy(ret_directory, ".");
    } else {
        snprintf(ret_directory, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
}

static int sync_directory(const char *path)
{
    char directory[PATH_MAX];
    int fd;
    int error = 0;

    directory_of(path, directory);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (fsync(fd) != 0 && errno != EINVAL) {
        error = -errno;
    }
    close(fd);
    return error;
}

/* renames the complete file; without `is_forced` fails if the name exists */
static int give_name(const char *path, bool is_forced)
{
    if (is_forced) {
        return rename(part_path, path) == 0 ? 0 : -errno;
    }
    if (renameat2(AT_FDCWD, part_path, AT_FDCWD, path, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -errno;
    }
    /* for a file system without RENAME_NOREPLACE */
    return link(part_path, path) == 0 && unlink(part_path) == 0 ? 0 : -errno;
}

static enum ctl_exit finish_file(struct backup *backup, const char *path, bool is_forced)
{
    int error = fsync(backup->fd) == 0 ? give_name(path, is_forced) : -errno;

    if (error == 0) {
        error = sync_directory(path);
    }
    if (error != 0) {
        fail(backup, "%s: %s", path, strerror(-error));
    }
    return error == 0 ? CTL_DONE : CTL_OUTPUT;
}

/* appends an error and returns false if the file cannot be written to this path */
static bool check_path(struct backup *backup, const char *path, bool is_forced)
{
    struct stat status;
    char log[PATH_MAX];
    bool is_there = lstat(path, &status) == 0;

    if (is_there && S_ISDIR(status.st_mode)) {
        return fail(backup, "%s is a directory", path);
    }
    if (is_there && !is_forced) {
        return fail(backup, "%s is there already; --force replaces it", path);
    }
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return fail(backup, "%s is no regular file", path);
    }
    /* else an instance would keep the unlinked file, or SQLite would apply this log to the copy */
    if ((size_t)snprintf(log, sizeof(log), "%s-wal", path) < sizeof(log) &&
        lstat(log, &status) == 0) {
        return fail(backup, "%s is there: so %s is a database in use, or one that was not closed",
                    log, path);
    }
    return true;
}

static enum ctl_exit open_file(struct backup *backup, const char *path, bool is_forced)
{
    if (!check_path(backup, path, is_forced)) {
        return CTL_OUTPUT;
    }
    if ((size_t)snprintf(part_path, sizeof(part_path), "%s" PART_SUFFIX, path) >=
        sizeof(part_path)) {
        fail(backup, "%s: %s", path, strerror(ENAMETOOLONG));
        return CTL_OUTPUT;
    }
    backup->fd = mkostemp(part_path, O_CLOEXEC); /* 0600 */
    if (backup->fd < 0) {
        fail(backup, "%s: %s", path, strerror(errno));
        return CTL_OUTPUT;
    }
    return CTL_DONE;
}

static void report(const struct backup *backup, const char *path, bool wants_json, struct buf *out)
{
    if (wants_json) {
        buf_puts(out, "{\"file\":");
        buf_put_json(out, path, strlen(path));
        buf_printf(out, ",\"bytes\":%llu}\n", (unsigned long long)backup->bytes);
    } else {
        buf_printf(out, "file         %s\nbytes        %llu\n", path,
                   (unsigned long long)backup->bytes);
    }
}

enum ctl_exit ctl_backup(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, const char *path, struct buf *out, struct buf *error)
{
    struct backup backup = {.fd = -1, .failure = CTL_UNREACHABLE, .error = error};
    enum ctl_exit result = open_file(&backup, path, is_forced);

    buf_puts(&backup.line, "");
    if (result == CTL_DONE) {
        watch_interrupts(true);
        result = receive(&backup, socket, *request, out);
        if (result == CTL_DONE) {
            result = finish_file(&backup, path, is_forced);
        }
        watch_interrupts(false);
        close(backup.fd);
        if (result != CTL_DONE) {
            unlink(part_path);
        }
    }
    if (result == CTL_DONE) {
        report(&backup, path, request->wants_json, out);
    }
    buf_finish(&backup.line);
    return result;
}
