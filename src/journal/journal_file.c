/* SPDX-License-Identifier: MIT */
#include "journal/journal_file.h"

#include "base/require.h"
#include "journal/journal_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void journal_file_init(struct journal_file *file, int directory_fd, uint64_t number)
{
    require(directory_fd >= 0 && number != 0);
    *file = (struct journal_file){.directory_fd = directory_fd, .number = number, .fd = -1};
}

void journal_file_close(struct journal_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

int journal_file_remove(struct journal_file *file)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];

    journal_file_close(file);
    journal_segment_name(file->number, name);
    return unlinkat(file->directory_fd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int write_all(int fd, const struct buf *bytes, uint64_t offset)
{
    size_t written = 0;

    require(fd >= 0);
    while (written < bytes->length) {
        ssize_t count =
            pwrite(fd, bytes->bytes + written, bytes->length - written, (off_t)(offset + written));

        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        if (count == 0) {
            return -EIO;
        }
        written += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

static int write_header(struct journal_file *file, const char **ret_what)
{
    struct buf header = BUF_EMPTY;
    int error;

    journal_segment_put_header(&header);
    *ret_what = "write";
    error = write_all(file->fd, &header, 0);
    buf_finish(&header);
    if (error != 0) {
        return error;
    }
    *ret_what = "fsync";
    return fsync(file->fd) == 0 && fsync(file->directory_fd) == 0 ? 0 : -errno;
}

/* creates a file that owner and group may read, whatever the umask; returns a descriptor or -1 */
static int create(int directory_fd, const char *name)
{
    int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd >= 0) {
        (void)fchmod(fd, 0640); /* on file systems without modes it fails, and does not matter */
    }
    return fd;
}

/* creates the file; first removes the rest of a failed attempt, because a number is used once */
static int make(struct journal_file *file, const char **ret_what)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    int error;

    *ret_what = "create";
    if (file->is_leftover) {
        error = journal_file_remove(file);
        if (error != 0) {
            return error;
        }
        file->is_leftover = false;
    }
    file->fd = create(file->directory_fd, journal_segment_name(file->number, name));
    if (file->fd < 0) {
        return -errno;
    }
    error = write_header(file, ret_what);
    if (error != 0) {
        file->is_leftover = journal_file_remove(file) != 0;
        return error;
    }
    file->size_bytes = JOURNAL_SEGMENT_HEADER_BYTES;
    return 0;
}

/*
 * Cuts off the rest of a failed write. Nothing more is written until the cut is on the disk.
 * Otherwise records that were reported as failed could stand before good ones, or be found after a
 * crash.
 */
static int mend(struct journal_file *file)
{
    if (ftruncate(file->fd, (off_t)file->size_bytes) != 0 || fdatasync(file->fd) != 0) {
        return -errno;
    }
    file->is_torn = false;
    return 0;
}

static int write_and_sync(struct journal_file *file, const struct buf *bytes, const char **ret_what)
{
    int error;

    *ret_what = "write";
    error = write_all(file->fd, bytes, file->size_bytes);
    if (error != 0) {
        return error;
    }
    *ret_what = "fdatasync";
    return fdatasync(file->fd) == 0 ? 0 : -errno;
}

int journal_file_append(struct journal_file *file, const struct buf *bytes, const char **ret_what)
{
    int error = file->fd < 0 ? make(file, ret_what) : 0;

    require(bytes->length != 0);
    file->is_uncut = false;
    if (error == 0 && file->is_torn) {
        *ret_what = "cutting off a failed write";
        error = mend(file);
    }
    if (error != 0) {
        return error;
    }
    error = write_and_sync(file, bytes, ret_what);
    if (error != 0) {
        file->is_torn = true;
        file->is_uncut = mend(file) != 0; /* then before the next write */
        return error;
    }
    file->size_bytes += bytes->length;
    return 0;
}

static int fill(int directory_fd, int fd, const struct buf *bytes, const char **ret_what)
{
    int error;

    *ret_what = "write";
    error = write_all(fd, bytes, 0);
    if (error != 0) {
        return error;
    }
    *ret_what = "fsync";
    return fsync(fd) == 0 && fsync(directory_fd) == 0 ? 0 : -errno;
}

int journal_file_make(int directory_fd, const char *name, const struct buf *bytes,
                      const char **ret_what)
{
    int fd = create(directory_fd, name);
    int error;

    require(directory_fd >= 0 && name[0] != '\0');
    if (fd < 0) {
        *ret_what = "create";
        return -errno;
    }
    error = fill(directory_fd, fd, bytes, ret_what);
    close(fd);
    if (error != 0) {
        unlinkat(directory_fd, name, 0); /* if this fails as well, a part of the file is left */
    }
    return error;
}
