/* SPDX-License-Identifier: MIT */
#include "journal/journal_recover.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/log.h"
#include "journal/journal_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the directory --- */

/* appends a line about a file of the directory; "" is the directory itself */
static void put_failure(struct buf *errors, const char *directory, const char *name,
                        const char *what, int error)
{
    buf_printf(errors, "journal %s%s%s: %s: ", directory, *name != '\0' ? "/" : "", name, what);
    journal_segment_put_reason(errors, error);
    buf_putc(errors, '\n');
}

/* creates one directory if it is missing, and syncs its name to the disk */
static int make_directory(const char *path, const char *parent)
{
    int fd;

    if (mkdir(path, 0750) != 0) {
        return errno == EEXIST ? 0 : -errno;
    }
    (void)chmod(path, 0750); /* whatever the umask: the group of the admin socket may look */
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* best effort: this process may not be allowed to open the parent */
        close(fd);
    }
    return 0;
}

/* creates `path` and its parents if they are missing */
static int make_directories(const char *path)
{
    char directory[PATH_MAX];
    char parent[PATH_MAX] = "/";
    int error = 0;

    if (strlen(path) >= sizeof(directory)) {
        return -ENAMETOOLONG;
    }
    if (*path != '/') {
        strcpy(parent, ".");
    }
    for (const char *end = path; *end != '\0' && error == 0;) {
        end = strchrnul(end + 1, '/');
        memcpy(directory, path, (size_t)(end - path));
        directory[end - path] = '\0';
        error = make_directory(directory, parent);
        strcpy(parent, directory);
    }
    return error;
}

static int open_directory(const char *directory, struct buf *errors)
{
    int error = make_directories(directory);
    int fd = error == 0 ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0) {
        put_failure(errors, directory, "", "open", error != 0 ? error : -errno);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            buf_printf(errors, "journal %s: another process has it; each instance needs its own\n",
                       directory);
        } else {
            put_failure(errors, directory, "", "lock", -errno);
        }
        close(fd);
        return -1;
    }
    return fd;
}

static void put_foreign(struct buf *errors, const char *directory, const char *name)
{
    buf_printf(errors, "journal %s/%s: this is no name of a segment; move the file away\n",
               directory, name);
}

/* --- checking --- */

/* the result of checking a segment */
struct finding {
    uint64_t number;
    char name[JOURNAL_SEGMENT_NAME_MAX];
    uint64_t records;
    uint64_t length;
    uint64_t good_length; /* less than `length` if the segment is torn */
};

static void put_damage(struct buf *errors, const char *directory, const char *name,
                       const struct journal_reader *reader)
{
    buf_printf(errors, "journal %s/%s: offset %zu: %s", directory, name, reader->found_offset,
               reader->damage);
}

static void put_read_failure(struct buf *errors, const char *directory, const char *name, int error)
{
    if (error == -EFBIG || error == -EINVAL) {
        buf_printf(errors, "journal %s/%s: this is no segment of a journal\n", directory, name);
    } else {
        put_failure(errors, directory, name, "read", error);
    }
}

/*
 * Checks a segment. Returns 0 if it can be used, else -errno with a line in `errors`. Only the last
 * segment may be torn. One without a complete header may be anywhere: it had no records, and could
 * not be removed.
 */
static int check_segment(const char *directory, int fd, bool is_last, struct finding *finding,
                         struct buf *errors)
{
    struct journal_reader reader;
    struct journal_record record;
    enum journal_found found;
    int error = journal_reader_open(&reader, fd, finding->name);

    if (error != 0) {
        journal_reader_close(&reader);
        put_read_failure(errors, directory, finding->name, error);
        return error;
    }
    while ((found = journal_reader_next(&reader, &record)) == JOURNAL_FOUND_RECORD) {
        sealed_batch_destroy(record.sealed_batch);
        finding->records++;
    }
    finding->length = reader.bytes.length;
    finding->good_length = reader.found_offset;
    if (found == JOURNAL_FOUND_DAMAGE ||
        (found == JOURNAL_FOUND_TORN && !is_last && finding->good_length != 0)) {
        put_damage(errors, directory, finding->name, &reader);
        buf_printf(errors,
                   ", and no crash leaves it so; `visitcountctl journal verify %s` lists what is "
                   "good; move the file away to go on without it\n",
                   directory);
        error = -EBADMSG;
    }
    journal_reader_close(&reader);
    return error;
}

static int check_all(const char *directory, int fd, struct finding *findings, size_t count,
                     struct buf *errors)
{
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = check_segment(directory, fd, i + 1 == count, &findings[i], errors);
    }
    return error;
}

/* --- repairing --- */

/*
 * Cuts off a torn tail, and syncs the segment to the disk: the writes of a killed process may be in
 * memory only. Later segments will follow, so a crash of the machine must not be able to tear this
 * one.
 */
static int settle(int directory_fd, const struct finding *finding)
{
    int fd = openat(directory_fd, finding->name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    int error = 0;

    if (fd < 0) {
        return -errno;
    }
    if (finding->good_length != finding->length &&
        ftruncate(fd, (off_t)finding->good_length) != 0) {
        error = -errno;
    } else if (fsync(fd) != 0) {
        error = -errno;
    }
    close(fd);
    return error;
}

/* settles a segment with records, and removes one without */
static int mend(const char *directory, int fd, const struct finding *finding, struct buf *errors)
{
    uint64_t torn_bytes = finding->length - finding->good_length;
    int error;

    if (finding->records == 0) {
        error = unlinkat(fd, finding->name, 0) == 0 ? 0 : -errno;
    } else {
        error = settle(fd, finding);
    }
    if (error != 0) {
        put_failure(errors, directory, finding->name, finding->records == 0 ? "remove" : "settle",
                    error);
    } else if (torn_bytes != 0) {
        log_warning("journal %s/%s: offset %llu: torn, as a crash leaves it; the last %llu bytes "
                    "are cut off",
                    directory, finding->name, (unsigned long long)finding->good_length,
                    (unsigned long long)torn_bytes);
    }
    return error;
}

/* moves the numbers of segments with records to the front of `numbers` */
static int mend_all(const char *directory, int fd, const struct finding *findings,
                    uint64_t *numbers, size_t *count, struct buf *errors)
{
    size_t kept = 0;
    int error = 0;

    for (size_t i = 0; i < *count && error == 0; i++) {
        error = mend(directory, fd, &findings[i], errors);
        if (findings[i].records != 0) {
            numbers[kept++] = findings[i].number;
        }
    }
    *count = kept;
    return error;
}

static int recover(const char *directory, int fd, uint64_t *numbers, size_t *count,
                   struct buf *errors)
{
    struct finding *findings = alloc_zero(*count + 1, sizeof(*findings));
    int error;

    for (size_t i = 0; i < *count; i++) {
        findings[i].number = numbers[i];
        journal_segment_name(numbers[i], findings[i].name);
    }
    error = check_all(directory, fd, findings, *count, errors);
    if (error == 0) {
        error = mend_all(directory, fd, findings, numbers, count, errors);
    }
    free(findings);
    return error;
}

/* finds the usable segments; on failure returns -errno with a line in `errors` */
static int find_segments(const char *directory, int fd, uint64_t **ret_numbers, size_t *ret_count,
                         struct buf *errors)
{
    char foreign[NAME_MAX + 1];
    int error = journal_segment_list(fd, ret_numbers, ret_count, foreign);

    if (error != 0) {
        put_failure(errors, directory, "", "read", error);
        return error;
    }
    if (*foreign != '\0') {
        put_foreign(errors, directory, foreign);
        error = -EBADMSG;
    } else {
        error = recover(directory, fd, *ret_numbers, ret_count, errors);
    }
    if (error != 0) {
        free(*ret_numbers);
    }
    return error;
}

int journal_recover(const char *directory, uint64_t **ret_numbers, size_t *ret_count,
                    struct buf *errors)
{
    int fd = open_directory(directory, errors);

    require(directory[0] != '\0');
    if (fd >= 0 && find_segments(directory, fd, ret_numbers, ret_count, errors) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}
